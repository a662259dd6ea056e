import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { TaskReport } from '../../tasks.ts';
import type { Device } from '../device.ts';

/** A host that was away for longer than this is left to itself. */
export const giveUpAfterMs = 15 * 60_000;
/** Between two attempts to log in: doubled each time, up to the longest. */
const firstPauseMs = 1_000;
const longestPauseMs = 15_000;

/**
 * The link, or what ran at its far end, ended; an SSH server or a host that comes up again may refuse a login for a moment.
 * What ended without a status was taken down by somebody: a session's end, a host that goes down.
 */
const linkErrors: readonly string[] = ['E_CONNECTION_LOST', 'E_HOST_UNREACHABLE', 'E_AUTHENTICATION', 'E_REMOTE_COMMAND_FAILED'];

export interface WatchOptions {
  /** How long to try when the host is away. Default: `giveUpAfterMs`. */
  readonly giveUpAfterMs?: number;
}

/**
 * Repeats `work`, which can be repeated, until it ends by itself: after each loss of the link logs in anew, for a bounded
 * time. `heard` counts what came from the host: whenever it has grown, the time begins anew.
 * @throws ShipError E_LINK_LOST when the host stayed away; whatever else `work` or a login throws
 */
export async function keepWatching<T>(context: Context, device: Device, report: TaskReport, heard: () => number, work: () => Promise<T>, options: WatchOptions = {}): Promise<T> {
  const limitMs = options.giveUpAfterMs ?? giveUpAfterMs;
  let lostAt: number | undefined;
  let pauseMs = firstPauseMs;
  for (let before = heard(); ; before = heard()) {
    try {
      return await work();
    } catch (error) {
      const reason = lossOf(context, error);
      if (lostAt === undefined || heard() > before) {
        lostAt = performance.now();
        pauseMs = firstPauseMs;
      }
      report.log(`${reason.message}. ${device.host.name} goes on by itself; connecting again, for up to ${minutes(limitMs)}`, 'warning');
      pauseMs = await logInAgain(context, device, { reason, pauseMs, deadline: lostAt + limitMs, limitMs });
      report.log(`connected to ${device.host.name} again after ${Math.round((performance.now() - lostAt) / 1000)} s`);
    }
  }
}

interface Loss {
  readonly reason: ShipError;
  readonly pauseMs: number;
  readonly deadline: number;
  readonly limitMs: number;
}

/** Gives the pause before the next attempt: a link that breaks again at once is not tried without end. */
async function logInAgain(context: Context, device: Device, loss: Loss): Promise<number> {
  let { reason, pauseMs } = loss;
  for (;;) {
    await pause(context, pauseMs);
    pauseMs = Math.min(2 * pauseMs, longestPauseMs);
    if (performance.now() > loss.deadline) throw stayedAway(device.host.name, loss.limitMs, reason);
    try {
      await device.reconnect();
      return pauseMs;
    } catch (error) {
      reason = lossOf(context, error);
    }
  }
}

/** The error, if it is a loss of the link; throws any other. */
function lossOf(context: Context, error: unknown): ShipError {
  if (context.signal.aborted || !(error instanceof ShipError) || !linkErrors.includes(error.code)) throw error;
  return error;
}

async function pause({ signal }: Context, ms: number): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {});
  signal.throwIfAborted();
}

function stayedAway(name: string, limitMs: number, reason: ShipError): ShipError {
  return new ShipError({
    code: 'E_LINK_LOST',
    message: `The link to ${name} is lost, and ${name} could not be reached again for ${minutes(limitMs)}: ${reason.message}`,
    remedy: `${name} goes on by itself and ends in the new or in the old release. Once it can be reached, \`prose-ship status ${name}\` tells how it ended, \`prose-ship logs ${name} --run\` how it came to that.`,
    exitStatus: ExitStatus.failed,
    cause: reason,
  });
}

function minutes(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} minutes`;
}
