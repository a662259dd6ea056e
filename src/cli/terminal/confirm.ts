/** Asks a yes-or-no question; only an explicit yes is one. */
export type Confirm = (question: string) => Promise<boolean>;

export interface ConfirmOptions {
  /** The answer without asking: `--yes`. */
  readonly yes: boolean;
  /** Whether there is a terminal to ask on; without one the answer is no. */
  readonly canAsk: boolean;
  readonly ask: (question: string) => Promise<string>;
}

export function createConfirm({ yes, canAsk, ask }: ConfirmOptions): Confirm {
  return async (question) => {
    if (yes) return true;
    if (!canAsk) return false;
    const answer = await ask(`${question} [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  };
}
