import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { Release } from '../../src/release/read-release.ts';
import { proseShip, type CommandLineResult } from '../support/command-line.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { createThrowawayHost, type ThrowawayHost } from '../support/hosts/throwaway-host.ts';
import { webRelease } from '../support/releases/web-release.ts';

/** Twenty hosts in waves; one has a dead link, one a full disk, and the canary fails at first. Needs root, Linux, dockerd, sshd. */
const names = Array.from({ length: 20 }, (_, index) => `pi${String(index + 1).padStart(2, '0')}`);
const [canary, unplugged, full] = ['pi05', 'pi09', 'pi14'] as const;
const hosts = new Map<string, ThrowawayHost>();
let first: Release;
let second: Release;
let environment: Record<string, string>;

interface ShippedHost {
  readonly host: string;
  readonly state: string;
  readonly wave?: number;
  readonly error?: { readonly code: string };
}

async function update(release: Release, ...args: string[]): Promise<CommandLineResult> {
  return proseShip(['update', ...names, '--wave', '6', '--canary', canary, ...args, '--release', release.directory], { environment });
}

function hostsOf({ result }: CommandLineResult): readonly ShippedHost[] {
  return result['hosts'] as ShippedHost[];
}

/** What runs on each host, as whoever stands beside it sees it. */
async function running(): Promise<Record<string, string>> {
  const script = 'for port in 8081 8082; do curl -s -m 2 "http://127.0.0.1:$port/version"; done';
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, (await hosts.get(name)!.exec(script)).stdout] as const)));
}

function everywhere(version: string, except: Record<string, string> = {}): Record<string, string> {
  return { ...Object.fromEntries(names.map((name) => [name, version])), ...except };
}

test.before('twenty hosts that run the first release', async (t) => {
  t.timeout(10 * 60_000);
  const directory = await temporaryDirectory('twenty');
  first = await webRelease(directory, { version: '1.0.0', port: 8081 });
  second = await webRelease(directory, { version: '1.0.1', port: 8082 });
  for (const name of names) hosts.set(name, await createThrowawayHost({ name, ...(name === full ? { diskMiB: 128 } : {}) }));
  const configs = await Promise.all([...hosts.values()].map(({ sshConfigFile }) => readFile(sshConfigFile, 'utf8')));
  const config = path.join(directory, 'ssh_config');
  await writeFile(config, [...configs, 'Host *\n  ConnectTimeout 2\n'].join('\n'));
  environment = { PROSE_SHIP_SSH_CONFIG: config };
  const provisioned = await proseShip(['provision', ...names], { environment });
  if (provisioned.exitCode !== 0) throw new Error(provisioned.stderr);
});

test.after.always('gone', async () => {
  for (const host of hosts.values()) await host.destroy();
});

test.serial('all twenty get the first release: the canary, then waves of six', async (t) => {
  t.timeout(5 * 60_000);
  const startedAt = performance.now();
  const updated = await update(first);
  t.is(updated.exitCode, 0, updated.stderr);
  t.log(`20 hosts in ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
  t.is(Math.max(...hostsOf(updated).map(({ wave = 0 }) => wave)), 5);
  t.deepEqual(await running(), everywhere('1.0.0'));
});

test.serial('a canary that fails keeps the other nineteen as they were', async (t) => {
  t.timeout(5 * 60_000);
  await hosts.get(unplugged)!.setLinkUp(false);
  await hosts.get(full)!.fillDisk(1);
  await hosts.get(canary)!.exec('mkdir /srv/other && printf other >/srv/other/version && { busybox httpd -f -p 127.0.0.1:8082 -h /srv/other >/dev/null 2>&1 & echo $! >/run/other.pid; }');
  const stopped = await update(second, '--skip-unready');
  t.is(stopped.exitCode, 4, stopped.stderr);
  t.deepEqual(hostsOf(stopped).filter(({ state }) => state !== 'not-started').map(({ host, state }) => `${host} ${state}`), [`${canary} rolled-back`]);
  t.deepEqual(await running(), everywhere('1.0.0', { [canary]: '1.0.0other' }));
});

test.serial('a dead link and a full disk keep only their own hosts back', async (t) => {
  t.timeout(5 * 60_000);
  await hosts.get(canary)!.exec('kill $(cat /run/other.pid)');
  const updated = await update(second, '--skip-unready');
  t.is(updated.exitCode, 1, updated.stderr);
  const left = hostsOf(updated).filter(({ state }) => state !== 'updated');
  t.deepEqual(left.map(({ host, error }) => [host, error?.code]).toSorted(), [[unplugged, 'E_HOST_UNREACHABLE'], [full, 'E_HOST_DISK_FULL']]);
  t.deepEqual(await running(), everywhere('1.0.1', { [unplugged]: '1.0.0', [full]: '1.0.0' }));
  await hosts.get(unplugged)!.setLinkUp(true);
  await hosts.get(full)!.fillDisk(undefined);
  const again = await update(second);
  t.is(again.exitCode, 0, again.stderr);
  t.deepEqual(await running(), everywhere('1.0.1'));
});
