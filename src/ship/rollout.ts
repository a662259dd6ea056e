import type { Context } from '../context.ts';
import { parseRolloutLogLine } from '../device/rollout-log.ts';
import { ExitStatus, ShipError } from '../errors.ts';
import type { RunResult } from '../host/process.ts';
import type { TaskReport } from '../tasks.ts';
import type { Device } from './device.ts';
import { keepWatching, type WatchOptions } from './watch/keep-watching.ts';
import { resumedOutcome } from './watch/resumed-run.ts';
import { followLog, newLogName, notStartedStatus, RunLog, startAndFollow, type BegunRun } from './watch/run-log.ts';

export interface FollowOptions extends WatchOptions {
  /** The verb was started with this already. */
  readonly begun?: BegunRun | undefined;
}

/**
 * Starts a verb of the updater detached from this login and shows its log until it ends. From here on the host finishes by
 * itself, whatever happens to this side; a lost link is made anew, and the log goes on where it stopped.
 * @throws ShipError with the updater's own code; E_ROLLED_BACK (exit status 4) when the old release runs again; E_LINK_LOST
 */
export async function followUpdater(context: Context, device: Device, args: readonly string[], report: TaskReport, { begun, ...options }: FollowOptions = {}): Promise<void> {
  context.signal.throwIfAborted();
  const { name } = device.host;
  const [verb = '', release = ''] = args;
  const log = new RunLog(begun?.logName ?? newLogName(verb), report);
  const resumed = new Map<string, RunLog>();
  let started = false;
  let refusal: ShipError | undefined;
  const start = async (): Promise<number> => {
    const first = begun;
    begun = undefined;
    // The answer may get lost, so the run has a name from here: the updater starts it once.
    const answer = await startAndFollow(device, log, args, () => {
      started = true;
    }, first);
    if (answer.exitCode < notStartedStatus) return answer.exitCode;
    throw (refusal = notStarted(name, { ...answer, exitCode: answer.exitCode - notStartedStatus }));
  };
  const watch = async (): Promise<number> => {
    const status = started ? await followLog(device, log) : await start();
    return log.wasKilled && verb === 'rollout' ? resumedOutcome(context, device, { release, killedStatus: status, logs: resumed }, report) : status;
  };
  const heard = () => log.lines + Number(started);
  const status = await keepWatching(context, device, report, heard, watch, options).catch((error: unknown) => {
    // These say themselves what becomes of the host.
    const isClear = error === refusal || (error instanceof ShipError && error.code === 'E_LINK_LOST');
    throw error instanceof ShipError && !isClear ? unwatched(name, error) : error;
  });
  if (status !== 0) throw failure(name, verb, log, status);
}

function failure(name: string, verb: string, log: RunLog, exitCode: number): ShipError {
  const { firstError, tail } = log;
  const message = `${name}: ${firstError?.text ?? `the updater ended with exit status ${exitCode}`}`;
  if (exitCode === 4) {
    return new ShipError({
      code: 'E_ROLLED_BACK',
      message: `${message}. ${verb === 'restore' ? 'The data from before is back' : 'The release before runs again'}`,
      output: tail,
      remedy: `Its log is ${log.name} on the host; \`prose-ship logs ${name}\` shows what the services say.`,
      exitStatus: ExitStatus.rolledBack,
    });
  }
  return new ShipError({
    code: firstError?.code ?? 'E_UPDATER',
    message,
    output: tail,
    remedy:
      firstError?.code === 'E_LOCKED'
        ? `Wait until it has ended; \`prose-ship status ${name}\` shows how it gets on. One that hangs is ended with --steal-lock, any other by naming its owner: --steal-lock-of OWNER.`
        : `\`prose-ship status ${name}\` shows the state of the host.`,
    exitStatus: exitCode === 3 ? ExitStatus.preflight : ExitStatus.failed,
  });
}

/** The host could not even write a log, and may say why. */
function notStarted(name: string, { exitCode, stdout, stderr }: RunResult): ShipError {
  const said = stdout.split('\n').map(parseRolloutLogLine).find((line) => line?.kind === 'error');
  return new ShipError({
    code: said?.code ?? 'E_UPDATER',
    message: `${name}: ${said?.text ?? 'the updater could not be started'}`,
    output: stderr,
    remedy: `\`prose-ship status ${name}\` shows the state of the host; its disk may be full.`,
    exitStatus: exitCode === 3 ? ExitStatus.preflight : ExitStatus.failed,
  });
}

/** This side stopped watching; the host goes on. */
function unwatched(name: string, error: ShipError): ShipError {
  return new ShipError({
    code: error.code,
    message: error.message,
    remedy: `${name} finishes or reverts by itself; \`prose-ship status ${name}\` tells how it ended. ${error.remedy ?? ''}`.trimEnd(),
    // Whatever it is elsewhere: here something was begun.
    exitStatus: error.exitStatus === ExitStatus.preflight ? ExitStatus.failed : error.exitStatus,
    cause: error,
  });
}
