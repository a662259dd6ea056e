import type { ExecutionContext } from 'ava';
import { execa, type ResultPromise } from 'execa';
import { entry, node } from '../support/command-line.ts';

export interface CliOptions {
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
}

const settings = { reject: false, timeout: 60_000, stripFinalNewline: true } as const;

/** The command line as a process of its own, as it is typed: plain lines, no colours. */
export function proseShip(args: readonly string[], { cwd, environment, input = '' }: CliOptions = {}): ResultPromise<typeof settings> {
  const child = execa(node, [entry, ...args], { ...settings, input, env: { CI: '1', NO_COLOR: '1', ...environment }, ...(cwd ? { cwd } : {}) });
  return child as unknown as ResultPromise<typeof settings>;
}

/** Every line of `--json` output as an object; fails the test when one is not. */
export function jsonLines(t: ExecutionContext, stdout: string): Readonly<Record<string, unknown>>[] {
  const lines = stdout.split('\n');
  t.notThrows(() => lines.map((line) => JSON.parse(line) as unknown), stdout);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
