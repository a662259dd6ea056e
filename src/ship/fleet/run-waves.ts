import type { Context } from '../../context.ts';
import { ExitStatus } from '../../errors.ts';
import { runTasksInParallel, type Task, type TaskReport } from '../../tasks.ts';
import { asShipError, stateText, type HostOutcome } from './outcome.ts';
import type { Wave } from './plan-waves.ts';

/** What is done on a host; whatever it throws is that host's failure. */
export interface HostWork {
  readonly title: (host: string) => string;
  readonly update: (host: string, report: TaskReport) => Promise<'updated' | 'pushed' | 'unchanged'>;
  /** Returns a host that was updated to what it had before. Given: after a failure this is done. */
  readonly revert?: (host: string, report: TaskReport) => Promise<void>;
}

/**
 * One wave after another; all hosts of a wave at once. After a failure the wave is finished and no other begins; then, with
 * `revert`, the hosts that this run updated are returned. Once the context is aborted no host is begun, nor reverted.
 * Gives the outcome of every host, in the order of the waves; nothing is thrown.
 */
export async function runWaves(context: Context, waves: readonly Wave[], work: HostWork): Promise<readonly HostOutcome[]> {
  const outcomes = new Map(
    waves.flatMap((wave, at) => wave.map((host): [string, HostOutcome] => [host, { host, wave: at + 1, state: 'not-started' }])),
  );
  const settle = (host: string, change: Omit<HostOutcome, 'host' | 'wave'>) => {
    const planned = outcomes.get(host);
    if (planned) outcomes.set(host, { ...planned, ...change });
  };
  const hasFailed = () => [...outcomes.values()].some(({ error }) => error !== undefined);
  for (const [at, wave] of waves.entries()) {
    if (hasFailed() || context.signal.aborted) break;
    if (waves.length > 1) context.emit({ type: 'log', level: 'info', message: `Wave ${at + 1} of ${waves.length}: ${wave.join(', ')}` });
    const tasks = wave.map((host) => updateTask(host, work, settle));
    await runTasksInParallel(context, tasks, { concurrency: wave.length }).catch(() => {}); // what failed stands in the outcomes
  }
  const { revert } = work;
  if (hasFailed() && revert && !context.signal.aborted) {
    const updated = [...outcomes.values()].filter(({ state }) => state === 'updated').reverse();
    const tasks = updated.map(({ host }) => revertTask(host, revert, settle));
    const concurrency = Math.max(...waves.map(({ length }) => length));
    if (tasks.length > 0) await runTasksInParallel(context, tasks, { concurrency, afterFailure: 'go-on' }).catch(() => {});
  }
  return [...outcomes.values()];
}

type Settle = (host: string, change: Omit<HostOutcome, 'host' | 'wave'>) => void;

function updateTask(host: string, work: HostWork, settle: Settle): Task {
  return {
    id: host,
    title: work.title(host),
    run: async (report) => {
      try {
        const state = await work.update(host, report);
        settle(host, { state });
        report.detail(state);
      } catch (thrown) {
        const error = asShipError(thrown);
        settle(host, { state: error.exitStatus === ExitStatus.rolledBack ? 'rolled-back' : 'failed', error });
        throw error;
      }
    },
  };
}

function revertTask(host: string, revert: NonNullable<HostWork['revert']>, settle: Settle): Task {
  return {
    id: `revert:${host}`,
    title: `${host}: back to the release before`,
    run: async (report) => {
      try {
        await revert(host, report);
        settle(host, { state: 'reverted' });
        report.detail(stateText('reverted'));
      } catch (thrown) {
        const error = asShipError(thrown);
        settle(host, { state: 'revert-failed', error });
        throw error;
      }
    },
  };
}
