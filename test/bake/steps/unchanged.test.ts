import { chmod, mkdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { bakeTasks, type BakedImage, type BakeInputs } from '../../../src/bake/bake.ts';
import { planBake } from '../../../src/bake/plan-bake.ts';
import { findUnchanged } from '../../../src/bake/publish/find-unchanged.ts';
import { formatImageJson, readImageJson } from '../../../src/bake/publish/image-json.ts';
import { formatImagerList, imagerEntry, localUrlBase } from '../../../src/bake/publish/imager-manifest.ts';
import { inputsDigest } from '../../../src/bake/steps/inputs-digest.ts';
import { writeCustomisation } from '../../../src/bake/customise/write-customisation.ts';
import { readRelease } from '../../../src/release/read-release.ts';
import { Secret } from '../../../src/secret.ts';
import { runTasks } from '../../../src/tasks.ts';
import { sampleOs } from '../../support/cards/card.ts';
import { packedRelease } from '../../support/releases/packed-release.ts';
import { recordingContext } from '../../support/recording-context.ts';
import { sampleDescription } from '../../support/releases/sample-description.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const release = await readRelease((await packedRelease([{ 'etc/content': 'one' }])).directory);
const os = sampleOs({ wifi: { country: 'DE' } });

class EngineWanted extends Error {}

function inputsIn(directory: string, changes: Partial<BakeInputs> = {}): BakeInputs {
  return {
    plan: planBake(os, release, { outputDirectory: directory }),
    os,
    release,
    engine: () => Promise.reject(new EngineWanted()),
    bases: 'auto',
    sourceDateEpoch: 1_735_689_600,
    noCache: false,
    secrets: {},
    toolVersion: '0.1.0',
    ...changes,
  };
}

async function digestOf(changes: Partial<BakeInputs> = {}, change: (directory: string) => Promise<void> = () => Promise.resolve()): Promise<string | undefined> {
  const place = await temporaryDirectory('inputs');
  const inputs = inputsIn('/b', changes);
  const directory = path.join(place, 'customise');
  await writeCustomisation(directory, { os: inputs.os, manifest: release.manifest, releaseDirectory: release.directory, platform: inputs.plan.platform, preload: 'store' });
  await change(directory);
  return inputsDigest(inputs, { kind: 'debian' }, directory);
}

/** What an earlier bake of these inputs left, as far as it is looked at. */
async function earlierBake(inputs: BakeInputs, place: string): Promise<string> {
  const { plan } = inputs;
  const customise = path.join(place, 'c');
  await writeCustomisation(customise, { os, manifest: release.manifest, releaseDirectory: release.directory, platform: plan.platform, preload: 'store' });
  const digest = await inputsDigest(inputs, { kind: 'debian' }, customise);
  const directory = path.dirname(plan.imageFile);
  const stem = path.basename(plan.imageFile, '.img');
  const sample = sampleDescription();
  const names = { image: `${stem}.img`, compressed: `${stem}.img.xz`, blockMap: `${stem}.img.bmap`, sbom: `${stem}.cdx.json` };
  await mkdir(directory, { recursive: true });
  const text = formatImageJson({
    ...sample,
    ...(digest ? { inputs: digest } : {}),
    image: { ...sample.image, path: names.image },
    compressed: { ...sample.compressed!, path: names.compressed },
    blockMap: { ...sample.blockMap, path: names.blockMap },
    sbom: { ...sample.sbom, path: names.sbom },
  });
  const put = (name: string, content: string | Buffer) => writeFile(path.join(directory, name), content);
  await put(`${stem}.image.json`, text);
  await put(names.compressed, Buffer.alloc(sample.compressed!.sizeBytes));
  await put(names.blockMap, Buffer.alloc(sample.blockMap.sizeBytes));
  await put(names.sbom, Buffer.alloc(sample.sbom.sizeBytes));
  await put(`${names.image}.sha256`, 'x');
  await put(`${names.compressed}.sha256`, 'x');
  const description = await readImageJson(path.join(directory, `${stem}.image.json`));
  await put(`${stem}.rpi-imager-manifest`, formatImagerList([imagerEntry(description, localUrlBase(directory))]));
  return digest ?? '';
}

test('what was baked of the same inputs is not baked again, and no engine is asked', async (t) => {
  const place = await temporaryDirectory('unchanged');
  const inputs = inputsIn(place);
  await earlierBake(inputs, place);
  const { context, states } = recordingContext();
  let baked: BakedImage | undefined;
  await runTasks(context, bakeTasks(context, inputs, path.join(place, 'work'), (image) => (baked = image)));
  t.like(baked, { file: `${inputs.plan.imageFile}.xz`, unchanged: true, preload: 'store' });
  t.deepEqual(states().slice(-4), ['packages skipped', 'preload skipped', 'disk skipped', 'publish skipped']);
  const forced = bakeTasks(context, { ...inputs, noCache: true }, path.join(place, 'forced'), () => undefined);
  await t.throwsAsync(runTasks(context, forced), { instanceOf: EngineWanted }, '--no-cache bakes');
});

test('a missing, cut or other file, or a moved folder, is baked again', async (t) => {
  const place = await temporaryDirectory('unchanged');
  const inputs = inputsIn(place);
  const digest = await earlierBake(inputs, place);
  const find = (plan = inputs.plan) => findUnchanged(plan, digest);
  const found = await find();
  t.deepEqual(found?.files.map((file) => path.basename(file)).length, 6);
  for (const suffix of ['.xz', '.bmap', '.sha256', '.xz.sha256']) {
    const file = `${inputs.plan.imageFile}${suffix}`;
    await rename(file, `${file}.away`);
    t.is(await find(), undefined, suffix);
    await rename(`${file}.away`, file);
  }
  t.truthy(await find());
  t.is(await findUnchanged(inputs.plan, undefined), undefined);
  t.is(await findUnchanged(inputs.plan, `sha256:${'0'.repeat(64)}`), undefined);
  t.is(await find({ ...inputs.plan, preload: 'archive' }), undefined);
  t.is(await find({ ...inputs.plan, keepsRaw: true }), undefined, 'the raw image is not there');
  const elsewhere = path.join(place, 'moved');
  await rename(path.dirname(inputs.plan.imageFile), elsewhere);
  t.is(await find({ ...inputs.plan, imageFile: path.join(elsewhere, path.basename(inputs.plan.imageFile)) }), undefined);
  await rename(elsewhere, path.dirname(inputs.plan.imageFile));
  await truncate(`${inputs.plan.imageFile}.xz`, 999);
  t.is(await find(), undefined);
  await rm(`${inputs.plan.imageFile}.xz`);
  t.is(await find(), undefined);
});

test('whatever an image is made of changes the digest; where it is written to does not', async (t) => {
  const same = await digestOf();
  t.regex(same!, /^sha256:[0-9a-f]{64}$/);
  t.is(await digestOf(), same);
  t.is(await digestOf({ plan: planBake(os, release, { outputDirectory: '/elsewhere' }) }), same);
  const others = [
    await digestOf({ os: { ...os, hostname: 'cellar' } }),
    await digestOf({ sourceDateEpoch: 1 }),
    await digestOf({ toolVersion: '0.2.0' }),
    await digestOf({ urlBase: 'https://example.org/' }),
    await digestOf({ plan: planBake(os, release, { outputDirectory: '/b', base: 'raspios-lite' }) }),
    await digestOf({}, (directory) => writeFile(path.join(directory, 'settings'), 'x')),
    await digestOf({}, (directory) => writeFile(path.join(directory, 'files/more'), '')),
    await digestOf({}, (directory) => chmod(path.join(directory, 'settings'), 0o755)),
  ];
  t.is(new Set([same, ...others]).size, 9);
  t.is(await digestOf({ secrets: { 'card-secrets': new Secret('x') } }), undefined);
});
