import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import type { Release } from '../../../src/release/read-release.ts';
import { entry, node, proseShip, type CommandLineResult } from '../../support/command-line.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { createThrowawayHost, type ThrowawayHost } from '../../support/hosts/throwaway-host.ts';
import { webRelease } from '../../support/releases/web-release.ts';

/** Four hosts through the command line. Needs root, Linux, dockerd, sshd; fails without. */
const names = ['pi1', 'pi2', 'pi3', 'pi4'] as const;
const hosts = new Map<string, ThrowawayHost>();
let environment: Record<string, string>;
let first: Release;
let second: Release;

interface ShippedHost {
  readonly host: string;
  readonly state: string;
  readonly wave?: number;
  readonly error?: { readonly code: string };
}

interface Event {
  readonly type: string;
  readonly id?: string;
  readonly state?: string;
}

function update(release: Release, args: readonly string[]): Promise<CommandLineResult> {
  return proseShip(['update', ...args, '--release', release.directory], { environment });
}

function states({ result }: CommandLineResult): string[] {
  return (result['hosts'] as ShippedHost[]).map(({ host, state }) => `${host} ${state}`);
}

/** `pi1 started`, `pi1 done`, ...: the changes of hosts' tasks, without those of their steps. */
function changes({ stdout }: CommandLineResult): string[] {
  const events = stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as Event);
  return events.flatMap(({ type, id, state }) => (type === 'task' && /^(?:revert:)?pi\d$/.test(id ?? '') ? [`${id ?? ''} ${state ?? ''}`] : []));
}

function host(name: string): ThrowawayHost {
  const found = hosts.get(name);
  if (!found) throw new Error(`${name} was made`);
  return found;
}

/** What runs on each host, as whoever stands beside it sees it. */
async function running(): Promise<Record<string, string>> {
  const answers = names.map(async (name) => {
    const script = 'for port in 8081 8082; do curl -s -m 2 "http://127.0.0.1:$port/version"; done';
    return [name, (await host(name).exec(script)).stdout] as const;
  });
  return Object.fromEntries(await Promise.all(answers));
}

function everywhere(version: string, except: Record<string, string> = {}): Record<string, string> {
  return { ...Object.fromEntries(names.map((name) => [name, version])), ...except };
}

test.before('four hosts, two releases', async (t) => {
  t.timeout(5 * 60_000);
  const directory = await temporaryDirectory('fleet');
  first = await webRelease(directory, { version: '1.0.0', port: 8081 });
  second = await webRelease(directory, { version: '1.0.1', port: 8082 });
  for (const name of names) hosts.set(name, await createThrowawayHost({ name }));
  const configs = await Promise.all([...hosts.values()].map(({ sshConfigFile }) => readFile(sshConfigFile, 'utf8')));
  const config = path.join(directory, 'ssh_config');
  await writeFile(config, [...configs, 'Host *\n  ConnectTimeout 4\n'].join('\n'));
  environment = { PROSE_SHIP_SSH_CONFIG: config };
  const provisioned = await proseShip(['provision', ...names], { environment });
  if (provisioned.exitCode !== 0) throw new Error(provisioned.stderr);
});

test.after.always(async () => {
  await Promise.all([...hosts.values()].map((one) => one.destroy()));
});

test.serial('the canary is done before any other begins, then come the waves', async (t) => {
  const updated = await update(first, [...names, '--canary', 'pi3', '--wave', '2']);
  t.is(updated.exitCode, 0, updated.stderr);
  t.deepEqual((updated.result['hosts'] as ShippedHost[]).map(({ host, state, wave }) => [host, state, wave]), [
    ['pi3', 'updated', 1],
    ['pi1', 'updated', 2],
    ['pi2', 'updated', 2],
    ['pi4', 'updated', 3],
  ]);
  const order = changes(updated);
  t.deepEqual([...order.slice(0, 4), ...order.slice(4, 6).toSorted(), ...order.slice(6)], [
    ...['pi3 started', 'pi3 done', 'pi1 started', 'pi2 started'],
    ...['pi1 done', 'pi2 done', 'pi4 started', 'pi4 done'],
  ]);
  t.deepEqual(await running(), everywhere('1.0.0'));
});

test.serial('hosts that have the release stay as they are, all at once', async (t) => {
  const containers = () => Promise.all(names.map(async (name) => (await host(name).exec('docker ps -q --no-trunc')).stdout));
  const before = await containers();
  const again = await update(first, [...names, '--wave', '100']);
  t.is(again.exitCode, 0, again.stderr);
  t.deepEqual(states(again), names.map((name) => `${name} unchanged`));
  t.deepEqual(await containers(), before);
});

test.serial('a plan shows the waves and touches nothing', async (t) => {
  const plan = await proseShip(['plan', 'update', ...names, '--canary', 'pi2', '--wave', '3', '--release', second.directory], { environment });
  t.is(plan.exitCode, 0, plan.stderr);
  t.deepEqual((plan.result['hosts'] as ShippedHost[]).map(({ host }) => host), ['pi2', 'pi1', 'pi3', 'pi4']);
  t.is((await update(second, ['pi1', '--canary', 'pi9'])).exitCode, 2);
  t.is((await update(second, ['pi1', '--wave', 'all'])).exitCode, 2);
});

test.serial('a host that cannot be reached is told before any host is touched', async (t) => {
  await host('pi4').setLinkUp(false);
  const refused = await update(second, [...names, '--wave', '4']);
  t.is(refused.exitCode, 3, refused.stderr);
  t.is((refused.result['error'] as { code: string }).code, 'E_HOSTS_NOT_READY');
  t.deepEqual((refused.result['hosts'] as ShippedHost[]).map(({ host, error }) => [host, error?.code]), [['pi4', 'E_HOST_UNREACHABLE']]);
  t.regex(refused.stderr, /1 of 4 hosts cannot be updated now \(pi4\); nothing was touched/);
  t.deepEqual(changes(refused), []);
  for (const name of names) t.notRegex((await host(name).exec('ls /var/lib/prose-ship/releases /var/lib/prose-ship/incoming')).stdout, /1\.0\.1/);
  const alone = await update(second, ['pi4']);
  t.is(alone.exitCode, 3);
  t.is((alone.result['error'] as { code: string }).code, 'E_HOST_UNREACHABLE', 'one host has its own error');
  const canary = await update(second, [...names, '--skip-unready', '--canary', 'pi4']);
  t.is(canary.exitCode, 3, 'a canary is never left out');
});

test.serial('a canary that is rolled back stops the update', async (t) => {
  // Whatever holds the port there: the new release's service cannot start.
  const taken = await host('pi2').exec('mkdir /srv/other && printf other >/srv/other/version && { busybox httpd -f -p 127.0.0.1:8082 -h /srv/other >/dev/null 2>&1 & echo $! >/run/other.pid; }');
  t.is(taken.exitCode, 0, taken.stderr);
  const stopped = await update(second, ['pi1', 'pi2', 'pi3', '--canary', 'pi2', '--wave', '2']);
  t.is(stopped.exitCode, 4, stopped.stderr);
  t.deepEqual(states(stopped), ['pi2 rolled-back', 'pi1 not-started', 'pi3 not-started']);
  t.regex(stopped.stderr, /Of 3 hosts 1 rolled back, 2 not started/);
  t.deepEqual(await running(), everywhere('1.0.0', { pi2: '1.0.0other' }));
});

test.serial('a failure returns the hosts that were updated before it', async (t) => {
  const reverted = await update(second, ['pi1', 'pi2', 'pi3', '--revert-on-failure']);
  t.is(reverted.exitCode, 4, reverted.stderr);
  t.deepEqual(states(reverted), ['pi1 reverted', 'pi2 rolled-back', 'pi3 not-started']);
  t.deepEqual(changes(reverted), ['pi1 started', 'pi1 done', 'pi2 started', 'pi2 failed', 'revert:pi1 started', 'revert:pi1 done']);
  t.deepEqual(await running(), everywhere('1.0.0', { pi2: '1.0.0other' }));
});

test.serial('--skip-unready goes on without a host, and says so in its status', async (t) => {
  await host('pi2').exec('kill $(cat /run/other.pid)');
  const updated = await update(second, [...names, '--skip-unready', '--wave', '3']);
  t.is(updated.exitCode, 1, updated.stderr);
  t.deepEqual(states(updated), ['pi1 updated', 'pi2 updated', 'pi3 updated', 'pi4 not-started']);
  t.is((updated.result['error'] as { code: string }).code, 'E_HOSTS_FAILED');
  t.deepEqual(await running(), everywhere('1.0.1', { pi4: '1.0.0' }));
  const older = await update(first, ['pi1', 'pi2']);
  t.is(older.exitCode, 3);
  t.deepEqual((older.result['hosts'] as ShippedHost[]).map(({ error }) => error?.code), ['E_DOWNGRADE', 'E_DOWNGRADE']);
});

test.serial('Ctrl-C begins no further host; the one whose rollout has begun finishes by itself', async (t) => {
  const hostNames = ['pi1', 'pi2', 'pi3'];
  const back = await proseShip(['rollback', ...hostNames], { environment });
  t.is(back.exitCode, 0, back.stderr);
  const child = execa(node, [entry, 'update', ...hostNames, '--release', second.directory], { reject: false, env: { CI: '1', ...environment } });
  let output = '';
  let interrupted = false; // a second signal would end it at once
  child.stderr.on('data', (chunk: Buffer) => {
    output += String(chunk);
    if (!interrupted && output.includes('old services stopped')) interrupted = child.kill('SIGINT');
  });
  const { exitCode, stderr } = await child;
  t.is(exitCode, 130, stderr);
  t.regex(stderr, /Interrupted: of 3 hosts 1 failed, 2 not started/);
  t.regex(stderr, /^pi2 +not started/m, 'the table');
  t.regex(stderr, /finish or revert by themselves/);
  for (let waited = 0; waited < 60 && (await running())['pi1'] !== '1.0.1'; waited += 1) await delay(500);
  t.deepEqual(await running(), everywhere('1.0.0', { pi1: '1.0.1' }));
});
