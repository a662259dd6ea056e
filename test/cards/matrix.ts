import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { bootDevice, type BootedDevice } from '../../src/bake/boot/device.ts';
import { createContext } from '../../src/context.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { readRelease } from '../../src/release/read-release.ts';
import { bakeCard, makeCardSite, releaseOfCard, type CardSite } from '../support/cards/baked-card.ts';
import { assertCleanCard, cutAtState, killEngine, killUpdaterAtState, shipTo } from '../support/cards/card-cuts.ts';
import { reportOfCard } from '../support/cards/card-report.ts';
import type { CommandLineResult } from '../support/command-line.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Emulated boots take minutes, and a busy machine makes them longer. */
const bootTimeoutMs = 20 * 60_000;
const hour = 60 * 60_000;

interface Shipped {
  readonly directory: string;
  readonly id: string;
}

/**
 * What a card of one platform must stand: power cuts at its first boot and during an update, updates and rollbacks, and
 * images that come as archives. Half an hour or more; `npm run test:cards`.
 */
export function testCards(platformText: string): void {
  let site: CardSite;
  let first: Shipped;
  let second: Shipped;
  let image: string;
  let device: BootedDevice;
  let directory: string;

  const boot = async (t: ExecutionContext, imageFile: string): Promise<BootedDevice> => {
    const context = createContext({ cacheDirectory: path.join(directory, 'cache') });
    const booted = await bootDevice(context, { imageFile, identityFile: site.identityFile, timeoutMs: bootTimeoutMs });
    t.log(`boot of ${path.basename(imageFile)}: ${booted.sshCommand}`);
    return booted;
  };
  const releaseOf = async (version: string, component: string): Promise<Shipped> => {
    const made = await releaseOfCard(site, version, component);
    return { directory: made, id: (await readRelease(made)).manifest.id };
  };
  /** The device must end well whatever happened before; an update that was cut off may have ended either way. */
  const healthy = async (t: ExecutionContext, ...expected: readonly Shipped[]): Promise<string> => {
    const { releaseId, healthyMs } = await device.waitForGate();
    t.log(`${releaseId} is healthy ${Math.round(healthyMs / 1000)} s after power-on`);
    t.true(expected.map(({ id }) => id).includes(releaseId), releaseId);
    const report = await reportOfCard(device);
    t.deepEqual(report('failed-unit'), []);
    t.deepEqual(report('container'), ['chat-server-1 running']);
    return releaseId;
  };
  const ship = async (t: ExecutionContext, ...args: readonly string[]): Promise<CommandLineResult> => {
    const done = await shipTo(device, args);
    t.is(done.exitCode, 0, done.stderr);
    return done;
  };

  test.before('bake a card', async (t) => {
    t.timeout(hour);
    directory = await temporaryDirectory('cards');
    site = await makeCardSite(path.join(directory, 'site'), parsePlatform(platformText)!);
    second = await releaseOf('1.0.1', '13.0.1-r2');
    first = await releaseOf('1.0.0', '13.0.1-r1');
    image = await bakeCard(site, first.directory);
  });

  test.after.always(async () => {
    await (device as BootedDevice | undefined)?.destroy();
    await rm(directory, { recursive: true, force: true });
  });

  test.serial('a first boot that loses power five times ends healthy, on a file system that is clean', async (t) => {
    t.timeout(3 * hour);
    device = await boot(t, image);
    await delay(10_000);
    await device.powerCut();
    await device.powerOn();
    await device.waitForConsole(/Starting.*prose-ship-first-boot|Starting.*Grow the root/);
    await device.powerCut();
    await device.powerOn();
    await device.waitForSsh();
    await device.powerCut();
    for (const state of ['synced', 'started'] as const) {
      await device.powerOn();
      t.log(`cut at '${await cutAtState(device, first.id, state)}'`);
    }
    await device.powerOn();
    await healthy(t, first);
    const report = await reportOfCard(device);
    t.true(Number(report('disk-bytes')[0]) - Number(report('root-end')[0]) < 16 * 1024 ** 2);
    t.true(Number(report('root-bytes')[0]) - Number(report('ext4-bytes')[0]) < 1024 ** 2, 'the file system was grown while it was mounted');
    await assertCleanCard(t, device, path.join(directory, 'card'));
  });

  test.serial('power that fails at the commit of a first boot leaves the release running', async (t) => {
    t.timeout(hour);
    // Alone, with --match, there is no other yet.
    await (device as BootedDevice | undefined)?.destroy();
    device = await boot(t, image);
    t.log(`cut at '${await cutAtState(device, first.id, 'gated')}'`);
    await device.powerOn();
    await healthy(t, first);
  });

  test.serial('it takes an update and a rollback', async (t) => {
    t.timeout(hour);
    await ship(t, 'update', 'card', '--release', second.directory);
    await healthy(t, second);
    await ship(t, 'rollback', 'card');
    await healthy(t, first);
  });

  test.serial('an engine that is killed comes back, and what runs with it', async (t) => {
    t.timeout(hour);
    t.deepEqual(await killEngine(device), ['success', 'chat-server-1 running']);
    await healthy(t, first);
  });

  test.serial('an update whose updater is killed ends well by itself', async (t) => {
    t.timeout(hour);
    const updating = ship(t, 'update', 'card', '--release', second.directory);
    t.log(`killed at '${await killUpdaterAtState(device, second.id, 'stopped')}'`);
    await updating;
    await healthy(t, second);
    await ship(t, 'rollback', 'card');
    await healthy(t, first);
  });

  for (const state of ['synced', 'stopped', 'started'] as const) {
    test.serial(`an update that loses power at '${state}' ends in the old or the new release`, async (t) => {
      t.timeout(hour);
      if ((await healthy(t, first, second)) === second.id) await ship(t, 'rollback', 'card');
      const updating = shipTo(device, ['update', 'card', '--release', second.directory]);
      t.log(`cut at '${await cutAtState(device, second.id, state)}'`);
      await device.powerOn();
      const isUpdated = (await healthy(t, first, second)) === second.id;
      // Whoever watched has gone on watching.
      const { exitCode, stderr } = await updating;
      t.is(exitCode === 0, isUpdated, stderr);
    });
  }

  test.serial('after all that it takes one more update and rollback, and its file system is clean', async (t) => {
    t.timeout(hour);
    if ((await healthy(t, first, second)) === second.id) await ship(t, 'rollback', 'card');
    await ship(t, 'update', 'card', '--release', second.directory);
    await healthy(t, second);
    await ship(t, 'rollback', 'card');
    await healthy(t, first);
    await assertCleanCard(t, device, path.join(directory, 'card'));
  });

  test.serial('images that come as archives are loaded by the first boot', async (t) => {
    t.timeout(2 * hour);
    await (device as BootedDevice | undefined)?.destroy();
    device = await boot(t, await bakeCard(site, first.directory, 'archive'));
    await healthy(t, first);
    t.regex((await reportOfCard(device))('updater-log').join('\n'), /server: loading server\S*\.tar/);
  });
}
