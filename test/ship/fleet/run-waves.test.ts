import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { ExitStatus, interrupted, ShipError } from '../../../src/errors.ts';
import { fleetError, fleetStatus, notReadyError, rethrowBug, type HostOutcome } from '../../../src/ship/fleet/outcome.ts';
import { runWaves, type HostWork } from '../../../src/ship/fleet/run-waves.ts';
import { recordingContext } from '../../support/recording-context.ts';

function failure(exitStatus: ExitStatus, code: `E_${string}` = 'E_TEST'): ShipError {
  return new ShipError({ code, message: 'no', remedy: 'yes', exitStatus });
}

/** Work that keeps a diary; `failing` hosts throw, `waiting` ones take more turns than the others. */
function work(failing: Readonly<Record<string, ShipError>> = {}, options: { revert?: boolean; slow?: string } = {}) {
  const diary: string[] = [];
  const step = async (what: string, host: string) => {
    diary.push(`${what} ${host}`);
    for (let turns = host === options.slow ? 5 : 1; turns > 0; turns -= 1) await turn();
    const error = failing[`${what} ${host}`] ?? (what === 'update' ? failing[host] : undefined);
    if (error) throw error;
    diary.push(`${what}d ${host}`);
  };
  const hostWork: HostWork = {
    title: (host) => `Host ${host}`,
    update: async (host) => {
      await step('update', host);
      return 'updated';
    },
    ...(options.revert ? { revert: (host: string) => step('revert', host) } : {}),
  };
  return { diary, hostWork };
}

function states(outcomes: readonly HostOutcome[]): string[] {
  return outcomes.map(({ host, state }) => `${host} ${state}`);
}

test('a wave runs at once, the next begins when it has ended', async (t) => {
  const { context, events, states: changes } = recordingContext();
  const { diary, hostWork } = work({}, { slow: 'b' });
  const outcomes = await runWaves(context, [['a'], ['b', 'c'], ['d']], hostWork);
  t.deepEqual(diary, ['update a', 'updated a', 'update b', 'update c', 'updated c', 'updated b', 'update d', 'updated d']);
  t.deepEqual(changes(), ['a started', 'a done', 'b started', 'c started', 'c done', 'b done', 'd started', 'd done']);
  t.deepEqual(outcomes.map(({ wave }) => wave), [1, 2, 2, 3]);
  t.deepEqual(events.flatMap((event) => (event.type === 'tasks' ? [event.concurrent ?? false] : [])), [false, true, false]);
  t.is(fleetStatus(outcomes), ExitStatus.done);
  t.is(fleetError(outcomes, {}, false), undefined);
});

test('after a failure the wave ends by itself, and no other begins', async (t) => {
  const { context } = recordingContext();
  const { diary, hostWork } = work({ b: failure(ExitStatus.rolledBack, 'E_ROLLED_BACK') }, { slow: 'c' });
  const outcomes = await runWaves(context, [['a'], ['b', 'c'], ['d']], hostWork);
  t.deepEqual(states(outcomes), ['a updated', 'b rolled-back', 'c updated', 'd not-started']);
  t.true(diary.includes('updated c'));
  t.false(diary.includes('update d'));
  const error = fleetError(outcomes, { hosts: [] }, false);
  t.is(error?.exitStatus, ExitStatus.rolledBack);
  t.is(error?.code, 'E_ROLLED_BACK');
  t.is(error?.message, 'Of 4 hosts 2 updated, 1 rolled back, 1 not started');
  t.regex(error?.output ?? '', /^b: no \(E_ROLLED_BACK\)\n {2}-> yes$/);
  t.deepEqual(error?.result, { hosts: [] });
});

test('a failure can return what was updated before it, and only that', async (t) => {
  const { context, states: changes } = recordingContext();
  const failing = { d: failure(ExitStatus.rolledBack), 'revert b': failure(ExitStatus.failed) };
  const { diary, hostWork } = work(failing, { revert: true });
  const outcomes = await runWaves(context, [['a', 'b'], ['c', 'd'], ['e']], hostWork);
  t.deepEqual(states(outcomes), ['a reverted', 'b revert-failed', 'c reverted', 'd rolled-back', 'e not-started']);
  t.deepEqual(diary.filter((line) => line.startsWith('revert ')), ['revert c', 'revert b', 'revert a']); // last first; one failure stops no other
  t.true(changes().includes('revert:b failed'));
  t.is(fleetStatus(outcomes), ExitStatus.failed);
  t.is(fleetStatus(outcomes.filter(({ host }) => host !== 'b')), ExitStatus.rolledBack);
});

test('without a failure nothing is returned', async (t) => {
  const { diary, hostWork } = work({}, { revert: true });
  await runWaves(recordingContext().context, [['a'], ['b']], hostWork);
  t.false(diary.some((line) => line.startsWith('revert')));
});

test('an interruption begins no host, waits for those that run, and returns none', async (t) => {
  const stopping = new AbortController();
  const { context } = recordingContext({ signal: stopping.signal });
  const { diary, hostWork } = work({ b: failure(ExitStatus.interrupted, 'E_INTERRUPTED') }, { revert: true });
  const update: HostWork['update'] = (host, report) => {
    if (host === 'b') stopping.abort(interrupted());
    return hostWork.update(host, report);
  };
  const outcomes = await runWaves(context, [['a'], ['b'], ['c']], { ...hostWork, update });
  t.deepEqual(states(outcomes), ['a updated', 'b failed', 'c not-started']);
  t.false(diary.some((line) => line.startsWith('revert')));
  const error = fleetError(outcomes, {}, true);
  t.is(error?.exitStatus, ExitStatus.interrupted);
  t.regex(error?.remedy ?? '', /finish or revert by themselves/);
});

test('a hundred hosts, ten at a time, never more', async (t) => {
  const hosts = Array.from({ length: 100 }, (_, at) => `host-${at}`);
  const waves = Array.from({ length: 10 }, (_, at) => hosts.slice(at * 10, at * 10 + 10));
  let running = 0;
  let most = 0;
  const update = async () => {
    most = Math.max(most, (running += 1));
    await turn();
    running -= 1;
    return 'unchanged' as const;
  };
  const outcomes = await runWaves(recordingContext().context, waves, { title: (host) => host, update });
  t.is(most, 10);
  t.is(outcomes.filter(({ state }) => state === 'unchanged').length, 100);
});

test('the exit status tells whether anything was touched', (t) => {
  const refused = { host: 'a', state: 'failed', error: failure(ExitStatus.preflight) } as const;
  const rolledBack = { host: 'b', state: 'rolled-back', error: failure(ExitStatus.rolledBack) } as const;
  const broken = { host: 'c', state: 'failed', error: failure(ExitStatus.failed) } as const;
  const skipped = { host: 'd', state: 'not-started', error: failure(ExitStatus.preflight) } as const;
  const updated = { host: 'e', state: 'updated' } as const;
  t.is(fleetStatus([refused, { host: 'z', state: 'unchanged' }, skipped]), ExitStatus.preflight);
  t.is(fleetStatus([updated, refused]), ExitStatus.failed);
  t.is(fleetStatus([updated, rolledBack, skipped]), ExitStatus.rolledBack);
  t.is(fleetStatus([rolledBack, broken]), ExitStatus.failed);
  t.is(fleetStatus([updated, skipped]), ExitStatus.failed);
});

test('one host keeps its own error; several that are not ready are listed', (t) => {
  const gate = failure(ExitStatus.rolledBack, 'E_ROLLED_BACK');
  const only = fleetError([{ host: 'a', state: 'rolled-back', error: gate }], { hosts: [1] }, false);
  t.like(only, { code: 'E_ROLLED_BACK', message: 'no', remedy: 'yes', exitStatus: 4, result: { hosts: [1] } });
  const dead = failure(ExitStatus.preflight, 'E_HOST_UNREACHABLE');
  t.is(notReadyError([{ host: 'a', state: 'not-started', error: dead }], 1), dead);
  const list = notReadyError(['a', 'b'].map((host) => ({ host, state: 'not-started', error: dead })), 5);
  t.is(list.code, 'E_HOSTS_NOT_READY');
  t.is(list.exitStatus, ExitStatus.preflight);
  t.regex(list.message, /2 of 5 hosts .* \(a, b\); nothing was touched/);
  t.regex(list.output ?? '', /a: no \(E_HOST_UNREACHABLE\)\n {2}-> yes\nb: no/);
  t.regex(list.remedy ?? '', /--skip-unready/);
});

test('a fault of ours on a host comes out as what it is', async (t) => {
  const bug = new TypeError('undefined is not a function');
  const update = (host: string) => (host === 'b' ? Promise.reject(bug) : Promise.resolve('updated' as const));
  const outcomes = await runWaves(recordingContext().context, [['a', 'b'], ['c']], { title: (host) => host, update });
  t.deepEqual(states(outcomes), ['a updated', 'b failed', 'c not-started']);
  t.is(t.throws(() => rethrowBug(outcomes)), bug);
  t.notThrows(() => rethrowBug(outcomes.filter(({ host }) => host !== 'b')));
});
