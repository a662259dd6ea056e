import { ExitStatus, ShipError } from '../../errors.ts';
import { words, type Verb } from '../verb.ts';

/** Completes all verbs, itself among them; they are asked for when it runs. */
export const completionOf = (allVerbs: () => readonly Verb[]): Verb => ({
  name: 'completion',
  summary: 'print completions for a shell',
  arguments: [{ name: '<shell>', description: 'bash, zsh or fish' }],
  example: 'completion bash > ~/.local/share/bash-completion/completions/prose-ship',
  run: async (session, args) => {
    const { completionScript, shells } = await import('../completion-script.ts');
    const shell = shells.find((one) => one === words(args, 0)[0]);
    if (!shell) {
      throw new ShipError({
        code: 'E_BAD_SHELL',
        message: `There are no completions for '${String(args[0])}'`,
        remedy: `Shells are ${shells.join(', ')}.`,
        exitStatus: ExitStatus.usage,
      });
    }
    session.print(completionScript(shell, allVerbs()));
    return {};
  },
});
