import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { interruptAfter, type CommandLineResult } from '../../support/command-line.ts';
import { WebFleet, hostsOf } from '../../support/hosts/web-fleet.ts';

/** Four hosts through the command line. Needs root, Linux, dockerd, sshd; fails without. */
const names = ['pi1', 'pi2', 'pi3', 'pi4'] as const;
const fleet = new WebFleet(names);

interface Event {
  readonly type: string;
  readonly id?: string;
  readonly state?: string;
}

function states(result: CommandLineResult): string[] {
  return hostsOf(result).map(({ host, state }) => `${host} ${state}`);
}

/** `pi1 started`, `pi1 done`, ...: the changes of hosts' tasks, without those of their steps. */
function changes({ stdout }: CommandLineResult): string[] {
  const events = stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as Event);
  return events.flatMap(({ type, id, state }) => (type === 'task' && /^(?:revert:)?pi\d$/.test(id ?? '') ? [`${id ?? ''} ${state ?? ''}`] : []));
}

test.before('four hosts, two releases', async (t) => {
  t.timeout(5 * 60_000);
  await fleet.start();
});

test.after.always(() => fleet.destroy());

test.serial('the canary is done before any other begins, then come the waves', async (t) => {
  const updated = await fleet.update(fleet.first, ...names, '--canary', 'pi3', '--wave', '2');
  t.is(updated.exitCode, 0, updated.stderr);
  t.deepEqual(hostsOf(updated).map(({ host, state, wave }) => [host, state, wave]), [
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
  t.deepEqual(await fleet.running(), fleet.everywhere('1.0.0'));
});

test.serial('hosts that have the release stay as they are, all at once', async (t) => {
  const containers = () => Promise.all(names.map(async (name) => (await fleet.host(name).exec('docker ps -q --no-trunc')).stdout));
  const before = await containers();
  const again = await fleet.update(fleet.first, ...names, '--wave', '100');
  t.is(again.exitCode, 0, again.stderr);
  t.deepEqual(states(again), names.map((name) => `${name} unchanged`));
  t.deepEqual(await containers(), before);
});

test.serial('a plan shows the waves and touches nothing', async (t) => {
  const plan = await fleet.ship('plan', 'update', ...names, '--canary', 'pi2', '--wave', '3', '--release', fleet.second.directory);
  t.is(plan.exitCode, 0, plan.stderr);
  t.deepEqual(hostsOf(plan).map(({ host }) => host), ['pi2', 'pi1', 'pi3', 'pi4']);
  t.is((await fleet.update(fleet.second, 'pi1', '--canary', 'pi9')).exitCode, 2);
  t.is((await fleet.update(fleet.second, 'pi1', '--wave', 'all')).exitCode, 2);
});

test.serial('a host that cannot be reached is told before any host is touched', async (t) => {
  await fleet.host('pi4').setLinkUp(false);
  const refused = await fleet.update(fleet.second, ...names, '--wave', '4');
  t.is(refused.exitCode, 3, refused.stderr);
  t.is((refused.result['error'] as { code: string }).code, 'E_HOSTS_NOT_READY');
  t.deepEqual(hostsOf(refused).map(({ host, error }) => [host, error?.code]), [['pi4', 'E_HOST_UNREACHABLE']]);
  t.regex(refused.stderr, /1 of 4 hosts cannot be updated now \(pi4\); nothing was touched/);
  t.deepEqual(changes(refused), []);
  for (const name of names) t.notRegex((await fleet.host(name).exec('ls /var/lib/prose-ship/releases /var/lib/prose-ship/incoming')).stdout, /1\.0\.1/);
  const alone = await fleet.update(fleet.second, 'pi4');
  t.is(alone.exitCode, 3);
  t.is((alone.result['error'] as { code: string }).code, 'E_HOST_UNREACHABLE', 'one host has its own error');
  const canary = await fleet.update(fleet.second, ...names, '--skip-unready', '--canary', 'pi4');
  t.is(canary.exitCode, 3, 'a canary is never left out');
});

test.serial('a canary that is rolled back stops the update', async (t) => {
  await fleet.takePort('pi2');
  const stopped = await fleet.update(fleet.second, 'pi1', 'pi2', 'pi3', '--canary', 'pi2', '--wave', '2');
  t.is(stopped.exitCode, 4, stopped.stderr);
  t.deepEqual(states(stopped), ['pi2 rolled-back', 'pi1 not-started', 'pi3 not-started']);
  t.regex(stopped.stderr, /Of 3 hosts 1 rolled back, 2 not started/);
  t.deepEqual(await fleet.running(), fleet.everywhere('1.0.0', { pi2: '1.0.0other' }));
});

test.serial('a failure returns the hosts that were updated before it', async (t) => {
  const reverted = await fleet.update(fleet.second, 'pi1', 'pi2', 'pi3', '--revert-on-failure');
  t.is(reverted.exitCode, 4, reverted.stderr);
  t.deepEqual(states(reverted), ['pi1 reverted', 'pi2 rolled-back', 'pi3 not-started']);
  t.deepEqual(changes(reverted), ['pi1 started', 'pi1 done', 'pi2 started', 'pi2 failed', 'revert:pi1 started', 'revert:pi1 done']);
  t.deepEqual(await fleet.running(), fleet.everywhere('1.0.0', { pi2: '1.0.0other' }));
});

test.serial('--skip-unready goes on without a host, and says so in its status', async (t) => {
  await fleet.freePort('pi2');
  const updated = await fleet.update(fleet.second, ...names, '--skip-unready', '--wave', '3');
  t.is(updated.exitCode, 1, updated.stderr);
  t.deepEqual(states(updated), ['pi1 updated', 'pi2 updated', 'pi3 updated', 'pi4 not-started']);
  t.is((updated.result['error'] as { code: string }).code, 'E_HOSTS_FAILED');
  t.deepEqual(await fleet.running(), fleet.everywhere('1.0.1', { pi4: '1.0.0' }));
  const older = await fleet.update(fleet.first, 'pi1', 'pi2');
  t.is(older.exitCode, 3);
  t.deepEqual(hostsOf(older).map(({ error }) => error?.code), ['E_DOWNGRADE', 'E_DOWNGRADE']);
});

test.serial('Ctrl-C begins no further host; the one whose rollout has begun finishes by itself', async (t) => {
  const hostNames = ['pi1', 'pi2', 'pi3'];
  const back = await fleet.ship('rollback', ...hostNames);
  t.is(back.exitCode, 0, back.stderr);
  const { exitCode, stderr } = await interruptAfter('old services stopped', ['update', ...hostNames, '--release', fleet.second.directory], fleet);
  t.is(exitCode, 130, stderr);
  t.regex(stderr, /Interrupted: of 3 hosts 1 failed, 2 not started/);
  t.regex(stderr, /^pi2 +not started/m, 'the table');
  t.regex(stderr, /finish or revert by themselves/);
  for (let waited = 0; waited < 60 && (await fleet.running())['pi1'] !== '1.0.1'; waited += 1) await delay(500);
  t.deepEqual(await fleet.running(), fleet.everywhere('1.0.0', { pi1: '1.0.1' }));
});
