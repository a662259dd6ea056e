import test from 'ava';
import type { Release } from '../../src/release/read-release.ts';
import type { CommandLineResult } from '../support/command-line.ts';
import { WebFleet, hostsOf } from '../support/hosts/web-fleet.ts';

/** Twenty hosts in waves; one has a dead link, one a full disk, and the canary fails at first. Needs root, Linux, dockerd, sshd. */
const fleet = new WebFleet(Array.from({ length: 20 }, (_, index) => `pi${String(index + 1).padStart(2, '0')}`));
const [canary, unplugged, full] = ['pi05', 'pi09', 'pi14'] as const;

function update(release: Release, ...args: string[]): Promise<CommandLineResult> {
  return fleet.update(release, ...fleet.names, '--wave', '6', '--canary', canary, ...args);
}

test.before('twenty hosts that run the first release', async (t) => {
  t.timeout(10 * 60_000);
  await fleet.start({ [full]: { diskMiB: 128 } });
});

test.after.always('gone', () => fleet.destroy());

test.serial('all twenty get the first release: the canary, then waves of six', async (t) => {
  t.timeout(5 * 60_000);
  const startedAt = performance.now();
  const updated = await update(fleet.first);
  t.is(updated.exitCode, 0, updated.stderr);
  t.log(`20 hosts in ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
  t.is(Math.max(...hostsOf(updated).map(({ wave = 0 }) => wave)), 5);
  t.deepEqual(await fleet.running(), fleet.everywhere('1.0.0'));
});

test.serial('a canary that fails keeps the other nineteen as they were', async (t) => {
  t.timeout(5 * 60_000);
  await fleet.host(unplugged).setLinkUp(false);
  await fleet.host(full).fillDisk(1);
  await fleet.takePort(canary);
  const stopped = await update(fleet.second, '--skip-unready');
  t.is(stopped.exitCode, 4, stopped.stderr);
  t.deepEqual(hostsOf(stopped).filter(({ state }) => state !== 'not-started').map(({ host, state }) => `${host} ${state}`), [`${canary} rolled-back`]);
  t.deepEqual(await fleet.running(), fleet.everywhere('1.0.0', { [canary]: '1.0.0other' }));
});

test.serial('a dead link and a full disk keep only their own hosts back', async (t) => {
  t.timeout(5 * 60_000);
  await fleet.freePort(canary);
  const updated = await update(fleet.second, '--skip-unready');
  t.is(updated.exitCode, 1, updated.stderr);
  const left = hostsOf(updated).filter(({ state }) => state !== 'updated');
  t.deepEqual(left.map(({ host, error }) => [host, error?.code]).toSorted(), [[unplugged, 'E_HOST_UNREACHABLE'], [full, 'E_HOST_DISK_FULL']]);
  t.deepEqual(await fleet.running(), fleet.everywhere('1.0.1', { [unplugged]: '1.0.0', [full]: '1.0.0' }));
  await fleet.host(unplugged).setLinkUp(true);
  await fleet.host(full).fillDisk(undefined);
  const again = await update(fleet.second);
  t.is(again.exitCode, 0, again.stderr);
  t.deepEqual(await fleet.running(), fleet.everywhere('1.0.1'));
});
