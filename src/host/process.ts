import type { Readable } from 'node:stream';
import { execa, type Options, type ResultPromise } from 'execa';
import type { Context } from '../context.ts';
import { ExitStatus, ShipError, interrupted } from '../errors.ts';

/** A command line as data: pure builders make them, tests compare them, `run` carries them out. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface RunOptions {
  /** Written to standard input, then closed; without it standard input is empty. Secrets go here, never into `args`. */
  readonly input?: string | Uint8Array | Readable;
  /** Called with every redacted line of standard output and error. */
  readonly onLine?: (line: string) => void;
  /** Ends the process after this time with E_TIMEOUT. */
  readonly timeoutMs?: number;
  /** Exit statuses that are an answer, not a failure. Default: only 0. */
  readonly expect?: readonly number[];
  /** Signals to our process group do not reach it, and it is not ended when we end. */
  readonly ownSession?: boolean;
}

export interface RunResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How much of a failed program's output an error shows. */
const shownLines = 20;
/** SIGTERM first; what still runs after this is killed. */
const killDelayMs = 5_000;
/** Output kept for the result; programs that print more are read by `onLine` or `pipe`. */
const keptBytes = 16 * 1024 * 1024;

/** A shell-like rendering for logs and `--verbose`; not meant to be run where arguments hold newlines. */
export function formatCommand({ program, args }: Command): string {
  return [program, ...args].map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ');
}

/**
 * The one gateway to other programs: logs, redacts, ends the child when the context is aborted.
 * @throws ShipError E_COMMAND_NOT_FOUND, E_COMMAND_FAILED (with the last lines it printed), E_TIMEOUT, E_INTERRUPTED
 */
export async function run(context: Context, command: Command, options: RunOptions = {}): Promise<RunResult> {
  const child = launch(context, command, options, true);
  let lines: Promise<void> | undefined;
  if (options.onLine) {
    const { onLine } = options;
    lines = (async () => {
      for await (const line of child.iterable({ from: 'all' })) onLine(context.secrets.redact(line));
    })().catch(() => {}); // the child's own failure is reported below
  }
  const result = await child;
  await lines;
  const exitCode = result.exitCode ?? -1;
  if (!result.failed || (options.expect ?? []).includes(exitCode)) {
    return { exitCode, stdout: result.stdout, stderr: result.stderr };
  }
  throw failure(context, command, result);
}

/**
 * Like `run`, but hands the running child out, so that its streams can be piped; nothing of them is kept. Await it for
 * the outcome. Prefer `run`; use this where output is large or binary.
 */
export function start(context: Context, command: Command, options: RunOptions = {}): Child {
  return launch(context, command, options, false);
}

function launch(context: Context, command: Command, { input, timeoutMs, ownSession }: RunOptions, buffer: boolean): Child {
  context.emit({ type: 'log', level: 'debug', message: context.secrets.redact(`$ ${formatCommand(command)}`) });
  const settings: Options = {
    ...defaults,
    buffer,
    cancelSignal: context.signal,
    env: { ...definedOnly(context.environment), ...command.env },
    ...(command.cwd ? { cwd: command.cwd } : {}),
    ...(timeoutMs ? { timeout: timeoutMs } : {}),
    ...(ownSession ? { detached: true } : {}),
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
  };
  const child = execa(command.program, [...command.args], settings) as Child;
  const { nodeChildProcess } = child;
  nodeChildProcess.once('exit', () => {
    // A grandchild that outlives an ended child would hold the pipes open, and us with them.
    if (!nodeChildProcess.killed && !context.signal.aborted) return;
    for (const stream of [child.stdout, child.stderr, child.all]) stream.destroy();
  });
  return child;
}

export type Child = ResultPromise<typeof defaults>;

const defaults = {
  all: true,
  reject: false,
  extendEnv: false,
  forceKillAfterDelay: killDelayMs,
  maxBuffer: keptBytes,
  stripFinalNewline: true,
} as const satisfies Options;

type Outcome = Awaited<Child>;
/** Without `all` where the output was not kept. */
type FailedResult = Pick<Outcome, 'exitCode' | 'isCanceled' | 'timedOut' | 'signal' | 'cause'> & Partial<Pick<Outcome, 'all'>>;

/** The ShipError of a child that did not end as expected. */
export function failure(context: Context, command: Command, result: FailedResult): ShipError {
  const cause = result.cause as NodeJS.ErrnoException | undefined;
  if (result.isCanceled) return context.signal.reason instanceof ShipError ? context.signal.reason : interrupted();
  if (cause?.code === 'ENOENT') {
    return new ShipError({
      code: 'E_COMMAND_NOT_FOUND',
      message: `The program '${command.program}' is not installed`,
      remedy: 'Run `prose-ship doctor --fix`, or install it by hand.',
      exitStatus: ExitStatus.preflight,
      cause,
    });
  }
  const output = context.secrets.redact(result.all ?? '').split('\n').slice(-shownLines).join('\n').trim();
  const how = result.timedOut
    ? 'took too long'
    : result.signal
      ? `was ended by ${result.signal}`
      : `failed with exit status ${result.exitCode ?? 'unknown'}`;
  return new ShipError({
    code: result.timedOut ? 'E_TIMEOUT' : 'E_COMMAND_FAILED',
    message: context.secrets.redact(`\`${formatCommand(command)}\` ${how}`),
    ...(output ? { output } : {}),
    cause,
  });
}

function definedOnly(environment: Context['environment']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
