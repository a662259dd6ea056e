import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from '../../context.ts';
import { ExitStatus } from '../../errors.ts';
import type { TaskReport } from '../../tasks.ts';
import type { Device } from '../device.ts';
import { followLog, RunLog } from './run-log.ts';

/** How long the next run or boot of a host may take to begin: a small board answers SSH long before its engine is up. */
const beginsWithinMs = 5 * 60_000;
const lookEveryMs = 2_000;

export interface KilledRun {
  readonly release: string;
  readonly killedStatus: number;
  /** Logs that were watched before the link was lost once more; those that are watched now are added. */
  readonly logs: Map<string, RunLog>;
}

/**
 * After a rollout's run was killed (the host lost its power): the boot takes it up again, and that is watched in its place.
 * Gives the exit status that the rollout has in the end, or `killedStatus` where nothing takes it up.
 */
export async function resumedOutcome(context: Context, device: Device, { release, killedStatus, logs }: KilledRun, report: TaskReport): Promise<number> {
  if (logs.size === 0) report.log(`the run on ${device.host.name} was cut off; waiting for the one that finishes or reverts it`, 'warning');
  const deadline = performance.now() + beginsWithinMs;
  for (;;) {
    const state = await readState(device);
    if (state.run !== undefined) {
      const log = logs.get(state.run) ?? new RunLog(state.run, report);
      logs.set(state.run, log);
      await followLog(device, log);
      continue;
    }
    if (!state.isUnderWay && state.release === release && state.state === 'committed') return ExitStatus.done;
    if (!state.isUnderWay && state.release === release && state.state === 'rolled-back') return ExitStatus.rolledBack;
    if (!state.isUnderWay || performance.now() > deadline) return killedStatus;
    await delay(lookEveryMs, undefined, { signal: context.signal }).catch(() => {});
    context.signal.throwIfAborted();
  }
}

interface DeviceState {
  /** The log of the run that holds the lock. */
  readonly run?: string;
  readonly isUnderWay: boolean;
  /** Of the journal. */
  readonly state?: string;
  readonly release?: string;
}

async function readState(device: Device): Promise<DeviceState> {
  const { stdout } = await device.updater(['status']);
  const lines = stdout.split('\n').map((line) => line.split('\t'));
  const find = (key: string) => lines.find(([first]) => first === key);
  const [, run] = find('run') ?? [];
  const [, state, release] = find('journal') ?? [];
  return {
    ...(run ? { run } : {}),
    isUnderWay: find('under-way') !== undefined,
    ...(state ? { state } : {}),
    ...(release ? { release } : {}),
  };
}
