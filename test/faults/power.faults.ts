import { rm } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { bootDevice, type BootedDevice } from '../../src/bake/boot/device.ts';
import { createContext } from '../../src/context.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { readRelease } from '../../src/release/read-release.ts';
import { bakeCard, makeCardSite, releaseOfCard, type CardSite } from '../support/cards/baked-card.ts';
import { assertCleanCard, cutAtState, shipTo } from '../support/cards/card-cuts.ts';
import { reportOfCard } from '../support/cards/card-report.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/**
 * Real power cuts: an emulated machine whose plug is pulled with pages still on their way to the card. The states of an
 * update that test/cards/matrix.ts does not cut at; a quarter of an hour. Needs QEMU and what baking needs; fails without.
 */
const states = ['loaded', 'snapshotted', 'gated', 'committed'] as const;
const hour = 60 * 60_000;
const container = 'chat-server-1';
const records = '/var/lib/prosody/records';

let directory: string;
let site: CardSite;
let device: BootedDevice;
const releases: { readonly directory: string; readonly id: string }[] = [];
let written = 0;

test.before('a card, and a device that runs it', async (t) => {
  t.timeout(hour);
  directory = await temporaryDirectory('power');
  site = await makeCardSite(path.join(directory, 'site'), parsePlatform('linux/arm64')!);
  for (const [version, component] of [['1.0.1', '13.0.1-r2'], ['1.0.0', '13.0.1-r1']] as const) {
    const made = await releaseOfCard(site, version, component);
    releases.unshift({ directory: made, id: (await readRelease(made)).manifest.id });
  }
  const imageFile = await bakeCard(site, releases[0]!.directory);
  const context = createContext({ cacheDirectory: path.join(directory, 'cache') });
  device = await bootDevice(context, { imageFile, identityFile: site.identityFile, timeoutMs: 20 * 60_000 });
  await device.waitForGate();
});

test.after.always('gone', async () => {
  await (device as BootedDevice | undefined)?.destroy();
  await rm(directory, { recursive: true, force: true });
});

/** Numbered lines in the volume, on the card before anything else happens. */
async function writeRecords(): Promise<void> {
  const numbers = Array.from({ length: 20 }, () => (written += 1));
  await device.exec(['docker', 'exec', container, 'sh', '-c', `for n in ${numbers.join(' ')}; do echo $n >>${records}; done; sync ${records}`], { sudo: true });
}

async function keptRecords(): Promise<string[]> {
  const { stdout } = await device.exec(['docker', 'exec', container, 'cat', records], { sudo: true });
  return stdout.trimEnd().split('\n');
}

for (const state of states) {
  test.serial(`an update that loses power at '${state}' ends in one of both releases with its data`, async (t) => {
    t.timeout(hour);
    const [first, second] = [releases[0]!, releases[1]!];
    if ((await device.waitForGate()).releaseId === second.id) {
      const back = await shipTo(device, ['rollback', 'card']);
      t.is(back.exitCode, 0, back.stderr);
    }
    await writeRecords();
    const updating = shipTo(device, ['update', 'card', '--release', second.directory]);
    const cutAt = await cutAtState(device, second.id, state);
    await device.powerOn();
    const { releaseId, healthyMs } = await device.waitForGate();
    t.log(`cut at '${cutAt}': ${releaseId} is healthy ${Math.round(healthyMs / 1000)} s after power-on`);
    t.true([first.id, second.id].includes(releaseId), releaseId);
    // Whoever watched has gone on watching.
    const { exitCode, stderr } = await updating;
    t.is(exitCode === 0, releaseId === second.id, stderr);
    const report = await reportOfCard(device);
    t.deepEqual(report('failed-unit'), []);
    t.deepEqual(report('container'), [`${container} running`]);
    t.deepEqual(await keptRecords(), Array.from({ length: written }, (_, index) => String(index + 1)));
  });
}

test.serial('after all that its file system is clean', async (t) => {
  t.timeout(hour);
  await assertCleanCard(t, device, path.join(directory, 'card'));
});
