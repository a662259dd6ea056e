import readline from 'node:readline/promises';
import { Writable } from 'node:stream';
import { interrupted } from '../../errors.ts';

export interface Question {
  readonly text: string;
  readonly signal: AbortSignal;
  /** Does not show what is typed. */
  readonly hidden?: boolean;
}

/**
 * Asks on the terminal: the question goes to standard error, the answer comes from standard input.
 * @throws ShipError E_INTERRUPTED on Ctrl-C and Ctrl-D
 */
export async function ask({ text, signal, hidden = false }: Question): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = readline.createInterface({ input: process.stdin, output: hidden ? silent : process.stderr, terminal: true });
  const closed = new AbortController();
  // In raw mode Ctrl-C is a character; Ctrl-D closes, and would leave the question open for ever.
  terminal.once('SIGINT', () => closed.abort());
  terminal.once('close', () => closed.abort());
  if (hidden) process.stderr.write(text);
  try {
    return await terminal.question(hidden ? '' : text, { signal: AbortSignal.any([signal, closed.signal]) });
  } catch (cause) {
    if (!hidden) process.stderr.write('\n');
    throw closed.signal.aborted || signal.aborted ? interrupted() : cause;
  } finally {
    terminal.close();
    if (hidden) process.stderr.write('\n');
  }
}
