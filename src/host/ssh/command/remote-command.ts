import { Readable, type Writable } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import type { Context } from '../../../context.ts';
import { ExitStatus, ShipError } from '../../../errors.ts';
import type { RunOptions, RunResult } from '../../process.ts';
import { OutputCollector, keptBytes, processMarker } from './output.ts';
import { quoteCommand } from './quote.ts';
import type { Session } from '../session.ts';
import { streamCommand } from './stream-command.ts';
import type { WaitingShell, WaitingShellOptions } from './waiting-shell.ts';
import { abortReason, throwIfAborted } from '../transport.ts';

export interface RemoteRunOptions extends RunOptions {
  /** Runs as root: by `sudo -n` where the login is not root. On hosts where nobody can be, as the login user. */
  readonly sudo?: boolean;
  /** Takes standard output as it comes, whatever its size, and is ended with it; the result's `stdout` is empty then. */
  readonly output?: Writable;
}

/** How much of a failed program's output an error shows. */
const shownLines = 20;
/** SIGTERM first; what still runs after this is killed. */
const killDelaySeconds = 5;
/** Time for the order to end a command to get there and back; then the channel is closed. */
const endTimeoutMs = (killDelaySeconds + 5) * 1000;
const sudo = ['sudo', '-n', '--'];

/**
 * The line that a login shell runs. It tells its process id first: SSH's own signals need an open standard input and
 * do not reach what sudo started, so a command is ended by `kill` over a second channel. sshd starts every command in
 * its own process group, which the id therefore names.
 */
function remoteCommandLine(command: readonly string[]): string {
  return `exec ${quoteCommand(['sh', '-c', `echo "${processMarker} $$" >&2; exec "$@"`, 'sh', ...command])}`;
}

/** Ends a process group: SIGTERM, and SIGKILL for what is left after the delay. */
function endCommandLine(processId: string, options: { readonly sudo: boolean }): string {
  const script =
    'kill -s TERM -- "-$1" || exit 0; n=0; ' +
    `while [ "$n" -lt ${killDelaySeconds} ]; do sleep 1; kill -s 0 -- "-$1" 2>/dev/null || exit 0; n=$((n + 1)); done; ` +
    'kill -s KILL -- "-$1"';
  return `exec ${quoteCommand([...(options.sudo ? sudo : []), 'sh', '-c', script, 'sh', processId])}`;
}

/** Runs commands over a session; `sudo` is tried once, before it is first needed. */
export class CommandRunner {
  readonly #context: Context;
  readonly #session: Session;
  readonly #user: string;
  readonly #uid: number;
  readonly #waiting: WaitingShell | undefined;
  #sudoWorks: Promise<void> | undefined;

  /** @param waiting takes the first command that it can */
  constructor(context: Context, session: Session, user: string, uid: number, waiting?: WaitingShell) {
    this.#context = context;
    this.#session = session;
    this.#user = user;
    this.#uid = uid;
    this.#waiting = waiting;
  }

  async run(command: readonly string[], options: RemoteRunOptions = {}): Promise<RunResult> {
    if (!options.sudo || this.#uid === 0) return this.#expect(command, options, false);
    await (this.#sudoWorks ??= this.#checkSudo());
    return this.#expect([...sudo, ...command], options, true);
  }

  async #expect(command: readonly string[], options: RemoteRunOptions, asRoot: boolean): Promise<RunResult> {
    const { exitCode, how, stdout, stderr } = await this.#execute(command, options, asRoot);
    if (how === undefined && (exitCode === 0 || (options.expect ?? []).includes(exitCode))) {
      return { exitCode, stdout, stderr };
    }
    const output = lastLines(this.#context.secrets.redact(`${stdout}\n${stderr}`));
    throw new ShipError({
      code: 'E_REMOTE_COMMAND_FAILED',
      message: `\`${this.#shown(command)}\` on ${this.#session.name} ${how ?? `failed with exit status ${exitCode}`}`,
      ...(output ? { output } : {}),
    });
  }

  async #checkSudo(): Promise<void> {
    const { exitCode, stderr } = await this.#execute([...sudo, 'true'], {}, true);
    if (exitCode === 0) return;
    this.#sudoWorks = undefined;
    throw new ShipError({
      code: 'E_NO_SUDO',
      message: `'${this.#user}' cannot become root on ${this.#session.name} without a password`,
      remedy: `Log in as root, or allow it there: install sudo and put \`${this.#user} ALL=(ALL) NOPASSWD: ALL\` into /etc/sudoers.d/prose-ship.`,
      output: stderr,
      exitStatus: ExitStatus.preflight,
    });
  }

  async #execute(command: readonly string[], options: RemoteRunOptions, asRoot: boolean): Promise<RunResult & { how?: string }> {
    const { secrets, signal, emit } = this.#context;
    throwIfAborted(this.#context);
    emit({ type: 'log', level: 'debug', message: `${this.#session.name}$ ${this.#shown(command)}` });

    const ending = new AbortController();
    const collector = new OutputCollector((line) => options.onLine?.(secrets.redact(line)), () =>
      ending.abort(this.#failure(command, `printed more than ${keptBytes / 1024 / 1024} MiB`)),
    );
    const onAbort = () => ending.abort(abortReason(this.#context));
    signal.addEventListener('abort', onAbort, { once: true });
    const timer = options.timeoutMs
      ? setTimeout(() => ending.abort(this.#failure(command, 'took too long', 'E_TIMEOUT')), options.timeoutMs)
      : undefined;
    const input = inputStream(options.input);
    input?.once('error', (error) => ending.abort(error));

    let closeChannel = () => {};
    const line = remoteCommandLine(command);
    const channelOptions = {
      ...(input ? { stdin: input } : {}),
      onChannel: (channel: ClientChannel) => {
        closeChannel = () => channel.close();
        channel.on('error', () => {}); // written to after its end: the exit status says more
      },
      onStderr: (chunk: Buffer) => collector.add('stderr', chunk),
    };
    const execution = options.output
      ? streamCommand(this.#session.client, line, { ...channelOptions, output: options.output })
      : this.#start(line, { ...channelOptions, onStdout: (chunk) => collector.add('stdout', chunk) });
    options.output?.once('error', (error) => ending.abort(error));
    const end = new Promise<never>((_, reject) => {
      ending.signal.addEventListener('abort', () => {
        void this.#end(collector, execution, asRoot).finally(() => {
          closeChannel();
          reject(ending.signal.reason as Error);
        });
      });
    });
    try {
      const { code, signal: endedBy } = await Promise.race([this.#unlessLost(execution), end]);
      if (ending.signal.aborted) return await end; // it ended because we ended it
      collector.finish();
      const { stdout, stderr } = collector;
      if (code !== null) return { exitCode: code, stdout, stderr };
      return { exitCode: -1, stdout, stderr, how: endedBy ? `was ended by ${endedBy}` : 'ended without an exit status' };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      input?.destroy();
    }
  }

  #start(line: string, options: WaitingShellOptions): ReturnType<WaitingShell['run']> {
    return this.#waiting?.isReadyFor(line) ? this.#waiting.run(line, options) : this.#session.ssh.execCommand(line, options);
  }

  /** A channel of a lost connection closes like one whose command has ended, only without an exit status. */
  async #unlessLost<T extends { code: number | null; signal: string | null }>(execution: Promise<T>): Promise<T> {
    try {
      const result = await execution;
      if (result.code === null && result.signal === null) await this.#session.throwIfEnding();
      return result;
    } catch (error) {
      await this.#session.throwIfEnding();
      throw error;
    }
  }

  async #end(collector: OutputCollector, execution: Promise<unknown>, asRoot: boolean): Promise<void> {
    const done = execution.then(() => {}, () => {});
    const deadline = new Promise<void>((resolve) => setTimeout(resolve, endTimeoutMs).unref());
    const processId = await Promise.race([collector.processId, Promise.race([done, deadline]).then(() => undefined)]);
    if (processId === undefined || this.#session.lost.aborted) return;
    const order = this.#session.ssh.execCommand(endCommandLine(processId, { sudo: asRoot })).catch(() => {});
    await Promise.race([Promise.all([order, done]), deadline]);
  }

  #failure(command: readonly string[], how: string, code: `E_${string}` = 'E_REMOTE_COMMAND_FAILED'): ShipError {
    return new ShipError({ code, message: `\`${this.#shown(command)}\` on ${this.#session.name} ${how}` });
  }

  #shown(command: readonly string[]): string {
    // A whole program as an argument says less than its name, which comes next.
    const words = command.map((word) => (word.split('\n').length > 3 ? '...' : word));
    return this.#context.secrets.redact(quoteCommand(words));
  }
}

function inputStream(input: RunOptions['input']): Readable | undefined {
  if (input === undefined) return undefined;
  if (input instanceof Readable) return input;
  return Readable.from([typeof input === 'string' ? Buffer.from(input) : Buffer.from(input.buffer, input.byteOffset, input.length)]);
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-shownLines).join('\n');
}
