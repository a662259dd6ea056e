import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program with PATH and `env` and nothing else in its environment; never throws for its exit status. */
export async function run(program: string, args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return execute(program, args, { env: { PATH: process.env['PATH'] ?? '', ...env } }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: unknown) => error as Outcome,
  );
}
