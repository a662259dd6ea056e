import test from 'ava';
import type { HostInventory } from '../../src/device/inventory.ts';
import { ExitStatus, ShipError } from '../../src/errors.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import type { Release } from '../../src/release/read-release.ts';
import { choosePlatform, openImages, planUpdate, type UpdatePlan } from '../../src/ship/plan-update.ts';
import { preflight } from '../../src/ship/preflight.ts';
import { packedRelease } from '../support/releases/packed-release.ts';

const arm64 = parsePlatform('linux/arm64')!;
const layers = [{ 'etc/base': 'base '.repeat(50_000) }, { 'app/version': '1\n' }];

const bare: HostInventory = {
  updaterVersion: 1,
  machine: 'aarch64',
  platforms: [arm64],
  engineVersion: '26.1.5+dfsg1',
  store: 'overlay2',
  composeVersion: '2.26.1',
  freeBytes: 10e9,
  engineFreeBytes: 10e9,
  chains: [],
  releases: [],
};

async function plan(release: Release, inventory: HostInventory): Promise<UpdatePlan> {
  return planUpdate('pi', release, arm64, await openImages(release, arm64), inventory);
}

function refusal(work: () => unknown): ShipError {
  try {
    work();
  } catch (error) {
    if (error instanceof ShipError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

test('a bare host is sent everything but the seek table', async (t) => {
  const made = await plan(await packedRelease(layers), bare);
  t.is(made.images[0]!.sentLayers, 2);
  t.true(made.sendBytes < made.fullBytes && made.sendBytes > made.fullBytes - 100);
});

test('layers that an image there begins with are left out', async (t) => {
  const release = await packedRelease(layers);
  const [base] = release.manifest.images[0]!.diffIds;
  const made = await plan(release, { ...bare, chains: [{ diffIds: [base!], reference: 'other:1' }] });
  t.is(made.images[0]!.sentLayers, 1);
  t.true(made.sendBytes < made.fullBytes);
});

test('an image that is there under its immutable name is not sent, nor is a kept release', async (t) => {
  const release = await packedRelease(layers);
  const { reference, diffIds } = release.manifest.images[0]!;
  const present = await plan(release, { ...bare, chains: [{ diffIds, reference }] });
  t.is(present.sendBytes, 0);
  const kept = await plan(release, { ...bare, releases: [{ id: release.manifest.id, version: '1.0.0' }] });
  t.true(kept.isKept);
  t.is(kept.sendBytes, 0);
});

test('engines before 23 are sent gzip', async (t) => {
  const release = await packedRelease(layers);
  t.is((await plan(release, bare)).images[0]!.compression, 'zstd');
  t.is((await plan(release, { ...bare, engineVersion: '20.10.24+dfsg1' })).images[0]!.compression, 'gzip');
});

test('the platform is the first that both sides have', async (t) => {
  const release = await packedRelease(layers);
  const arm = parsePlatform('linux/arm/v7')!;
  t.deepEqual(choosePlatform(release, 'pi', { ...bare, platforms: [arm, arm64] }), arm64);
  const error = refusal(() => choosePlatform(release, 'pi', { ...bare, platforms: [arm] }));
  t.is(error.code, 'E_WRONG_PLATFORM');
  t.is(error.exitStatus, ExitStatus.preflight);
  t.regex(error.message, /pi runs linux\/arm\/v7, the release has images for linux\/arm64 only/);
});

test('an older release is refused unless it is asked for', async (t) => {
  const made = { ...(await plan(await packedRelease(layers), bare)), current: { id: '1.1.0-0', version: '1.1.0' } };
  const error = refusal(() => preflight(made, bare));
  t.is(error.code, 'E_DOWNGRADE');
  t.is(error.exitStatus, ExitStatus.preflight);
  t.regex(error.remedy ?? '', /^`prose-ship rollback pi` .* --allow-downgrade/);
  t.notThrows(() => preflight(made, bare, { allowDowngrade: true }));
});

test('what a release asks of engine, data and recipe is in the plan, and checked', async (t) => {
  const release = await packedRelease(layers);
  const { recipe } = release.manifest;
  const running = { id: '0.9.0-0', version: '0.9.0', dataVersion: 1, recipe: { ...recipe, version: '0.9.0' } };
  const made = await plan(release, { ...bare, currentId: running.id, releases: [running] });
  t.deepEqual(made.conditions, { dataVersion: 1, recipe, engine: '20.10.0', compose: '2.17.0' });
  t.deepEqual(made.current, running);
  t.notThrows(() => preflight(made, bare));
  t.is(refusal(() => preflight(made, { ...bare, engineVersion: '19.3.0' })).code, 'E_ENGINE_TOO_OLD');
  const allowDowngrade = true;
  const picky = { ...made, conditions: { ...made.conditions, upgradeFrom: '>=0.9.1' } };
  t.is(refusal(() => preflight(picky, bare, { allowDowngrade })).code, 'E_UPGRADE_PATH');
  const older = { ...made, conditions: { ...made.conditions, dataVersion: 0 } };
  t.is(refusal(() => preflight(older, bare, { allowDowngrade })).code, 'E_DATA_TOO_NEW');
});

test('a host that cannot write is refused before anything else is asked', async (t) => {
  const planned = await plan(await packedRelease(layers), bare);
  const error = refusal(() => preflight(planned, { ...bare, readOnlyPath: '/var/lib/prose-ship', freeBytes: 0 }));
  t.like(error, { code: 'E_READ_ONLY', exitStatus: ExitStatus.preflight });
  t.regex(error.remedy ?? '', /dmesg/);
});

test('space is asked of both disks, with the numbers', async (t) => {
  const made = await plan(await packedRelease(layers), bare);
  for (const little of [{ freeBytes: 1e6 }, { engineFreeBytes: 1e6 }]) {
    const error = refusal(() => preflight(made, { ...bare, ...little }));
    t.is(error.code, 'E_HOST_DISK_FULL');
    t.regex(error.message, /pi has 1 MB free in .*, the update needs \d+ MB/);
  }
  t.notThrows(() => preflight({ ...made, sendBytes: 0 }, { ...bare, freeBytes: 0, engineFreeBytes: 0 }));
});

test('what an earlier upload left there is not asked for again', async (t) => {
  const sendBytes = 500e6;
  const made = { ...(await plan(await packedRelease(layers), bare)), sendBytes };
  const tight = { ...bare, freeBytes: 300e6 };
  t.is(refusal(() => preflight(made, tight)).code, 'E_HOST_DISK_FULL');
  t.is(refusal(() => preflight(made, tight, { uploadedBytes: 200e6 })).code, 'E_HOST_DISK_FULL');
  t.notThrows(() => preflight(made, tight, { uploadedBytes: 300e6 }));
});

test('names of data are compared where both releases have them, and something runs', async (t) => {
  const release = await packedRelease(layers);
  const data = { version: 1, volumes: [], names: { domain: 'new.example', rooms: 'rooms.example', added: 'x.example' } };
  const named = (more: object): Release => ({ ...release, manifest: { ...release.manifest, data: { ...data, ...more } } });
  const dataNames = { domain: 'old.example', rooms: 'rooms.example', gone: 'y.example' };
  const running = { ...bare, currentId: '1.0.0-0', releases: [{ id: '1.0.0-0', version: '1.0.0' }], dataNames };
  const changes = [{ from: 'old.example', to: 'new.example' }];
  t.deepEqual((await plan(named({ rename: { service: 'server', command: ['rename'] } }), running)).conditions.rename, { changes });
  t.deepEqual((await plan(named({ renameImpossible: 'No.' }), running)).conditions.rename, { changes, impossible: 'No.' });
  t.regex((await plan(named({}), running)).conditions.rename?.impossible ?? '', /no command that renames/);
  t.is((await plan(named({ names: dataNames }), running)).conditions.rename, undefined);
  t.is((await plan({ ...release, manifest: { ...release.manifest, data: { version: 1, volumes: [] } } }, running)).conditions.rename, undefined, 'a recipe that tells no names');
  t.is((await plan(named({}), bare)).conditions.rename, undefined, 'a bare host');
});
