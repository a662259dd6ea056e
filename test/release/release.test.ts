import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { ConfigurationError, ExitStatus, ShipError } from '../../src/errors.ts';
import { canonicalJson } from '../../src/release/canonical-json.ts';
import { listFiles } from '../../src/release/checksums.ts';
import { releaseManifestSchema } from '../../src/release/manifest-schema.ts';
import { readRelease } from '../../src/release/read-release.ts';
import { rolloutPlan } from '../../src/release/rollout-plan.ts';
import { verifyRelease } from '../../src/release/verify-release.ts';
import { packedRelease } from '../support/releases/packed-release.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const layers = [{ 'etc/base': 'base\n' }, { 'app/version': '1\n' }];

async function refusal(directory: string): Promise<ShipError> {
  try {
    await verifyRelease(directory);
  } catch (error) {
    if (error instanceof ShipError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

test('a release consists of what its manifest says, and verifies', async (t) => {
  const { directory, manifest } = await packedRelease(layers);
  await t.notThrowsAsync(verifyRelease(directory));
  const [file] = manifest.files;
  t.deepEqual(await listFiles(directory), [
    'SHA256SUMS',
    'compose.yaml',
    file!.path,
    'images/sbom.cdx.json',
    'images/server-linux-arm64.tar.zst',
    'plans/linux-arm64.plan',
    'release.json',
  ]);
  t.regex(manifest.id, /^1\.0\.0-[0-9a-f]{12}$/);
  t.regex(await readFile(path.join(directory, 'compose.yaml'), 'utf8'), new RegExp(`image: "?${manifest.images[0]!.reference}`));
});

test('sha256sum, which knows nothing of ours, agrees', async (t) => {
  const { directory } = await packedRelease(layers);
  const { exitCode } = await execa('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: directory });
  t.is(exitCode, 0);
});

test('the same inputs give the same bytes; another version, another id', async (t) => {
  const [one, two, other] = await Promise.all([packedRelease(layers), packedRelease(layers), packedRelease(layers, '1.0.1')]);
  for (const name of await listFiles(one.directory)) {
    const [a, b] = await Promise.all([one, two].map(({ directory }) => readFile(path.join(directory, name))));
    t.true(a!.equals(b!), name);
  }
  t.not(one.manifest.id, other.manifest.id);
  t.is(one.manifest.images[0]!.reference, other.manifest.images[0]!.reference);
});

test('what a host keeps stands in the plan, and in no plan of a release that says nothing', async (t) => {
  const { manifest } = await packedRelease(layers);
  const platform = { os: 'linux', architecture: 'arm64' };
  t.notRegex(rolloutPlan(manifest, platform), /retention/);
  const limited = releaseManifestSchema.parse({ ...manifest, retention: { releases: 3, diskBudgetBytes: 2 ** 32 } });
  t.regex(rolloutPlan(limited, platform), /^retention\t3\t4294967296$/m);
  t.regex(rolloutPlan({ ...manifest, retention: { releases: 4 } }, platform), /^retention\t4\t0$/m);
});

test('packing again into the same folder says that nothing changed', async (t) => {
  const place = await temporaryDirectory('release');
  t.false((await packedRelease(layers, '1.0.0', place)).unchanged);
  t.true((await packedRelease(layers, '1.0.0', place)).unchanged);
});

test('what is wrong with a damaged release is named, all of it', async (t) => {
  const { directory, manifest } = await packedRelease(layers);
  await rm(path.join(directory, manifest.files[0]!.path));
  await appendFile(path.join(directory, 'compose.yaml'), '#');
  await writeFile(path.join(directory, 'plans/linux-arm64.plan'), 'format\t1\n');
  await writeFile(path.join(directory, 'stowaway'), '');
  const error = await refusal(directory);
  t.is(error.code, 'E_RELEASE_DAMAGED');
  t.is(error.place?.file, directory);
  for (const part of ['prosody.cfg.lua is missing', 'compose.yaml has', 'linux-arm64.plan is not the plan', 'stowaway does not belong']) {
    t.true(error.output?.includes(part), `${part}: ${error.output ?? ''}`);
  }
});

test('one flipped bit in an archive is found', async (t) => {
  const { directory, manifest } = await packedRelease(layers);
  const file = path.join(directory, manifest.images[0]!.archive.path);
  await rm(path.join(directory, '../images'), { recursive: true, force: true }); // the other name of the same file
  const bytes = await readFile(file);
  bytes[100] = bytes[100]! ^ 1;
  await rm(file);
  await writeFile(file, bytes);
  t.regex((await refusal(directory)).message, /server-linux-arm64\.tar\.zst has the digest sha256:\w+ instead of sha256:/);
});

test('a manifest that was edited is not what its id says', async (t) => {
  const { directory, manifest } = await packedRelease(layers);
  await writeFile(path.join(directory, 'release.json'), JSON.stringify({ ...manifest, domain: 'evil.example.org' }));
  t.regex((await refusal(directory)).message, /release\.json was changed/);
});

test('a manifest cannot point outside its folder, and has no unknown keys', async (t) => {
  const { directory, manifest } = await packedRelease(layers);
  for (const changed of [{ compose: { ...manifest.compose, path: '../compose.yaml' } }, { surprise: true }, { name: 'a\tb' }]) {
    await writeFile(path.join(directory, 'release.json'), JSON.stringify({ ...manifest, ...changed }));
    t.is((await refusal(directory)).code, 'E_RELEASE_DAMAGED', JSON.stringify(changed));
  }
});

test('a folder without a release is a usage error with the remedy', async (t) => {
  const error = await t.throwsAsync(readRelease(os.tmpdir()), { instanceOf: ShipError });
  t.is((error).code, 'E_NO_RELEASE');
  t.is((error).exitStatus, ExitStatus.usage);
  t.regex((error).remedy ?? '', /prose-ship release/);
});

test('canonical JSON sorts keys at every depth', (t) => {
  t.is(canonicalJson({ b: [{ d: 1, c: undefined }], a: 'x' }), '{"a":"x","b":[{"d":1}]}');
});

test('a configuration error of one problem reads like that problem', (t) => {
  const problem = new ShipError({ code: 'E_X', message: 'm', remedy: 'r', place: { file: 'f', line: 2 } });
  t.like(new ConfigurationError([problem]), { code: 'E_X', message: 'm', remedy: 'r', exitStatus: 2 });
  t.like(new ConfigurationError([problem, problem]), { code: 'E_CONFIGURATION', message: '2 problems in the configuration' });
});
