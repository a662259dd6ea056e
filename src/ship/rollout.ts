import { randomBytes } from 'node:crypto';
import type { Context } from '../context.ts';
import { parseRolloutLogLine, type RolloutLogLine, type RolloutState } from '../device/rollout-log.ts';
import { ExitStatus, ShipError } from '../errors.ts';
import type { TaskReport } from '../tasks.ts';
import type { Device } from './device.ts';
import { keepWatching, type WatchOptions } from './keep-watching.ts';

/** What a state means to whoever watches. */
const stateTexts: Readonly<Record<RolloutState, string>> = {
  uploaded: 'uploaded',
  verified: 'checksums verified',
  loaded: 'images loaded',
  synced: 'on disk',
  stopped: 'old services stopped',
  snapshotted: 'data ready',
  started: 'new services started',
  gated: 'gate passed',
  committed: 'committed',
  'rolled-back': 'rolled back',
};

/** What has come of a run's log so far. */
class RunLog {
  readonly name: string;
  readonly #report: TaskReport;
  readonly #tail: string[] = [];
  #lines = 0;
  #firstError: { readonly code: `E_${string}`; readonly text: string } | undefined;

  constructor(verb: string, report: TaskReport) {
    this.name = `${verb}-${Date.now()}-${randomBytes(4).toString('hex')}.log`;
    this.#report = report;
  }

  /** Lines of the log that are known here: the next reading leaves them out. */
  get lines(): number {
    return this.#lines;
  }

  /** The first error is the cause; what follows comes of it. */
  get firstError(): { readonly code: `E_${string}`; readonly text: string } | undefined {
    return this.#firstError;
  }

  get tail(): string {
    return this.#tail.slice(-25).join('\n');
  }

  take(text: string): void {
    // Everything else is not from the log: what sudo or a login shell has to say.
    if (!/^\d+\t[a-z]/.test(text)) return;
    this.#lines += 1;
    const line = parseRolloutLogLine(text);
    if (line) this.#show(line);
  }

  #show(line: RolloutLogLine): void {
    if (line.kind === 'state') {
      this.#report.detail(stateTexts[line.state]);
      this.#report.log(stateTexts[line.state]);
    } else if (line.kind === 'error') {
      this.#firstError ??= line;
      this.#tail.push(line.text);
    } else if (line.kind !== 'end') {
      this.#report.log(line.text, line.kind);
      this.#tail.push(line.text);
    }
  }
}

/**
 * Starts a verb of the updater detached from this login and shows its log until it ends. From here on the host finishes by
 * itself, whatever happens to this side; a lost link is made anew, and the log goes on where it stopped.
 * @throws ShipError with the updater's own code; E_ROLLED_BACK (exit status 4) when the old release runs again; E_LINK_LOST
 */
export async function followUpdater(context: Context, device: Device, args: readonly string[], report: TaskReport, options: WatchOptions = {}): Promise<void> {
  context.signal.throwIfAborted();
  const { name } = device.host;
  const log = new RunLog(args[0] ?? '', report);
  const heard = { answers: 0 };
  const progress = () => heard.answers + log.lines;
  const watch = async () => {
    // The answer may get lost, so the run has a name from here: the updater starts it once.
    if (heard.answers === 0) {
      const { exitCode, stderr } = await device.updater(['start', `log=${log.name}`, ...args], { expect: [1, 2, 126, 127] });
      if (exitCode !== 0) throw notStarted(name, stderr);
    }
    heard.answers = 1;
    return device.updater(['follow', log.name, String(log.lines)], { expect: [1, 2, 3, 4, 126, 127], onLine: (text) => log.take(text) });
  };
  const result = await keepWatching(context, device, report, progress, watch, options).catch((error: unknown) => {
    throw error instanceof ShipError && !ownRemedies.includes(error.code) ? unwatched(name, error) : error;
  });
  if (result.exitCode !== 0) throw failure(name, args[0] ?? '', log, result.exitCode);
}

/** Errors that say themselves what becomes of the host. */
const ownRemedies: readonly string[] = ['E_LINK_LOST', 'E_UPDATER'];

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
        ? `Wait until it has ended; \`prose-ship status ${name}\` shows how it gets on. One that hangs is ended with --steal-lock, any other by naming its owner: --steal-lock OWNER.`
        : `\`prose-ship status ${name}\` shows the state of the host.`,
    exitStatus: exitCode === 3 ? ExitStatus.preflight : ExitStatus.failed,
  });
}

function notStarted(name: string, output: string): ShipError {
  return new ShipError({
    code: 'E_UPDATER',
    message: `${name}: the updater could not be started`,
    output,
    remedy: `\`prose-ship status ${name}\` shows the state of the host; its disk may be full.`,
  });
}

/** This side stopped watching; the host goes on. */
function unwatched(name: string, error: ShipError): ShipError {
  return new ShipError({
    code: error.code,
    message: error.message,
    remedy: `${name} finishes or reverts by itself; \`prose-ship status ${name}\` tells how it ended.`,
    exitStatus: error.exitStatus,
    cause: error,
  });
}
