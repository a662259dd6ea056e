import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';

const repository = path.resolve(import.meta.dirname, '../..');
/** The Node of the project, whatever the machine has. */
export const node = path.join(repository, 'node_modules/.bin/node');
export const entry = path.join(repository, 'src/cli/main.js');

export interface CommandLineOptions {
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  readonly cwd?: string;
  /** Asked again and again; as soon as it holds, Ctrl-C is pressed. */
  readonly interruptWhen?: () => Promise<boolean>;
}

export interface CommandLineResult {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** The last line of `--json`. */
  readonly result: Readonly<Record<string, unknown>>;
}

/** Runs `prose-ship ARGS --json` as a process of its own; never throws for its exit status. */
export async function proseShip(args: readonly string[], options: CommandLineOptions = {}): Promise<CommandLineResult> {
  const separator = args.indexOf('--');
  const [own, rest] = separator < 0 ? [args, []] : [args.slice(0, separator), args.slice(separator)];
  const child = execa(node, [entry, ...own, '--json', ...rest], {
    reject: false,
    env: { CI: '1', ...options.environment },
    input: options.input ?? '',
    ...(options.cwd ? { cwd: options.cwd } : {}),
  });
  if (options.interruptWhen) {
    const life = { isOver: false };
    void child.finally(() => (life.isOver = true));
    while (!life.isOver && !(await options.interruptWhen())) await delay(100);
    child.kill('SIGINT');
  }
  const { exitCode, stdout, stderr } = await child;
  const last = stdout.trimEnd().split('\n').at(-1) ?? '';
  return { exitCode, stdout, stderr, result: (last.startsWith('{') ? JSON.parse(last) : {}) as Record<string, unknown> };
}

/** Runs `prose-ship ARGS` without `--json`, and presses Ctrl-C as soon as `text` stands on standard error. */
export async function interruptAfter(
  text: string,
  args: readonly string[],
  { environment }: Pick<CommandLineOptions, 'environment'> = {},
): Promise<Pick<CommandLineResult, 'exitCode' | 'stderr'>> {
  const child = execa(node, [entry, ...args], { reject: false, env: { CI: '1', ...environment } });
  let output = '';
  let interrupted = false; // a second signal would end it at once
  child.stderr.on('data', (chunk: Buffer) => {
    output += String(chunk);
    if (!interrupted && output.includes(text)) interrupted = child.kill('SIGINT');
  });
  const { exitCode, stderr } = await child;
  return { exitCode, stderr };
}

/** The code of the error that it ended with. */
export function errorCode({ result }: CommandLineResult): unknown {
  return (result['error'] as { code?: string } | undefined)?.code;
}
