import { ExitStatus, ShipError } from '../../errors.ts';
import { words, type Verb } from '../verb.ts';

export const completion: Verb = {
  name: 'completion',
  summary: 'print completions for a shell',
  arguments: [{ name: '<shell>', description: 'bash, zsh or fish' }],
  example: 'completion bash > ~/.local/share/bash-completion/completions/prose-ship',
  run: async (session, args) => {
    const { completionScript, shells } = await import('../completion-script.ts');
    const { verbs } = await import('../verbs.ts');
    const shell = shells.find((one) => one === words(args, 0)[0]);
    if (!shell) {
      throw new ShipError({
        code: 'E_BAD_SHELL',
        message: `There are no completions for '${String(args[0])}'`,
        remedy: `Shells are ${shells.join(', ')}.`,
        exitStatus: ExitStatus.usage,
      });
    }
    session.print(completionScript(shell, verbs));
    return {};
  },
};
