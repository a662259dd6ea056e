/**
 * Errors are part of the interface: a stable code, the wrong value, where it stands, and what to do about it.
 * Everything that prose-ship refuses or fails at is a ShipError; anything else that reaches the command line is a bug.
 */

/** Exit statuses of the command-line contract (docs/reference/cli.md). */
export const ExitStatus = {
  done: 0,
  failed: 1,
  usage: 2,
  preflight: 3,
  rolledBack: 4,
  interrupted: 130,
} as const;
export type ExitStatus = (typeof ExitStatus)[keyof typeof ExitStatus];

/** A position in a file; line and column count from 1. */
export interface Place {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

export interface ShipErrorDetails {
  /** Stable, for programs: `E_HOST_KEY_UNKNOWN`. */
  readonly code: `E_${string}`;
  /** One sentence that names the wrong value. */
  readonly message: string;
  /** What the reader should do now: a sentence or a command. */
  readonly remedy?: string;
  readonly place?: Place;
  /** The tail of a failed program's output, the failing step, ...: printed below the message. */
  readonly output?: string;
  readonly exitStatus?: ExitStatus;
  readonly cause?: unknown;
  /** What came of the run all the same; part of the `--json` result beside the error. */
  readonly result?: object;
}

export class ShipError extends Error {
  override readonly name: string = 'ShipError';
  readonly code: `E_${string}`;
  readonly remedy: string | undefined;
  readonly place: Place | undefined;
  readonly output: string | undefined;
  readonly exitStatus: ExitStatus;
  readonly result: object | undefined;

  constructor(details: ShipErrorDetails) {
    super(details.message, { cause: details.cause });
    this.code = details.code;
    this.remedy = details.remedy;
    this.place = details.place;
    this.output = details.output;
    this.exitStatus = details.exitStatus ?? ExitStatus.failed;
    this.result = details.result;
  }

  toJSON(): object {
    return {
      code: this.code,
      message: this.message,
      remedy: this.remedy,
      place: this.place,
      output: this.output,
    };
  }
}

/** Wrong usage or configuration: every problem at once. Exit status 2. */
export class ConfigurationError extends ShipError {
  override readonly name = 'ConfigurationError';
  readonly problems: readonly ShipError[];

  constructor(problems: readonly ShipError[]) {
    const [first] = problems;
    super({
      code: problems.length === 1 && first ? first.code : 'E_CONFIGURATION',
      message:
        problems.length === 1 && first ? first.message : `${problems.length} problems in the configuration`,
      ...(problems.length === 1 && first?.remedy ? { remedy: first.remedy } : {}),
      ...(problems.length === 1 && first?.place ? { place: first.place } : {}),
      exitStatus: ExitStatus.usage,
    });
    this.problems = problems;
  }

  override toJSON(): object {
    return { ...super.toJSON(), problems: this.problems };
  }
}

/** `file:line:column`, as editors and terminals make it clickable. */
export function formatPlace({ file, line, column }: Place): string {
  return [file, line, column].filter((part) => part !== undefined).join(':');
}

/** Arguments or options that cannot be what was meant. */
export function wrongUsage(message: string, remedy: string, code: ShipError['code'] = 'E_USAGE'): ShipError {
  return new ShipError({ code, message, remedy, exitStatus: ExitStatus.usage });
}

/** What a signal handler or a timeout aborts with; the command line turns it into exit status 130. */
export function interrupted(): ShipError {
  return new ShipError({
    code: 'E_INTERRUPTED',
    message: 'Interrupted',
    exitStatus: ExitStatus.interrupted,
  });
}
