import readline from 'node:readline/promises';

/** Asks a yes-or-no question; only an explicit yes is one. */
export type Confirm = (question: string) => Promise<boolean>;

/** `--yes` answers itself; without a terminal nobody can be asked, and the answer is no. */
export function createConfirm(yes: boolean, input: NodeJS.ReadStream, output: NodeJS.WriteStream, signal: AbortSignal): Confirm {
  return async (question) => {
    if (yes) return true;
    if (!input.isTTY || !output.isTTY) return false;
    const terminal = readline.createInterface({ input, output });
    try {
      const answer = await terminal.question(`${question} [y/N] `, { signal });
      return /^y(es)?$/i.test(answer.trim());
    } finally {
      terminal.close();
    }
  };
}
