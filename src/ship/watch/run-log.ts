import { randomBytes } from 'node:crypto';
import { parseRolloutLogLine, type RolloutLogLine, type RolloutState } from '../../device/rollout-log.ts';
import type { RunResult } from '../../host/process.ts';
import type { TaskReport } from '../../tasks.ts';
import type { Device } from '../device.ts';

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

export interface RunError {
  readonly code: `E_${string}`;
  readonly text: string;
}

/** What has come of a run's log so far. */
export class RunLog {
  readonly name: string;
  readonly #report: TaskReport;
  readonly #tail: string[] = [];
  #lines = 0;
  #firstError: RunError | undefined;
  #ended = false;

  constructor(name: string, report: TaskReport) {
    this.name = name;
    this.#report = report;
  }

  /** Lines of the log that are known here: the next reading leaves them out. */
  get lines(): number {
    return this.#lines;
  }

  /** The first error is the cause; what follows comes of it. */
  get firstError(): RunError | undefined {
    return this.#firstError;
  }

  /** Its writer was killed before the last line: another run, or the next boot, finishes or reverts. */
  get wasKilled(): boolean {
    return !this.#ended && this.#firstError?.code === 'E_INTERRUPTED';
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
    } else if (line.kind === 'end') {
      this.#ended = true;
    } else {
      this.#report.log(line.text, line.kind);
      this.#tail.push(line.text);
    }
  }
}

/** Shows the log from where it stopped, to its end; gives the exit status of its run. */
export async function followLog(device: Device, log: RunLog): Promise<number> {
  const { exitCode } = await device.updater(['follow', log.name, String(log.lines)], {
    expect: [1, 2, 3, 4, 126, 127],
    onLine: (text) => log.take(text),
  });
  return exitCode;
}

/** Added to the exit status of a start that failed. */
export const notStartedStatus = 200;
/** Any status of a start fits: 126 and 127 are those of a shell that finds no updater. */
export const startScript = `log=$1; shift; "$0" start "log=$log" "$@" || exit $((${notStartedStatus} + $? % 100)); exec "$0" follow "$log"`;
export const runStatuses = [1, 2, 3, 4, 126, 127, ...[1, 2, 3, 26, 27].map((status) => notStartedStatus + status)];

/** A run that was started already, by the command that brought what it works on. */
export interface BegunRun {
  readonly logName: string;
  /** Gives what was printed until now, then the rest; settles like `startAndFollow`. */
  readonly follow: (onLine: (line: string) => void) => Promise<RunResult>;
}

/**
 * Starts a run and shows its log to its end, in one command: each more would cost round trips. Can be repeated: a run that has
 * begun under the name of this log is not begun again.
 * @param begun the same, started already
 * @returns with the exit status of the run, or with `notStartedStatus` and more
 */
export async function startAndFollow({ connection, paths }: Device, log: RunLog, args: readonly string[], onStarted: () => void, begun?: BegunRun): Promise<RunResult> {
  const onLine = (text: string) => {
    // What `start` itself says.
    if (text === log.name) onStarted();
    else log.take(text);
  };
  if (begun) return begun.follow(onLine);
  return connection.run(['sh', '-c', startScript, paths.updater, log.name, ...args], { sudo: true, expect: runStatuses, onLine });
}

export function newLogName(verb: string): string {
  return `${verb}-${Date.now()}-${randomBytes(4).toString('hex')}.log`;
}
