import test from 'ava';
import { completionScript } from '../../src/cli/completion-script.ts';
import { verbs } from '../../src/cli/verbs.ts';
import { createContext } from '../../src/context.ts';
import { run } from '../../src/host/process.ts';
import { proseShip } from './prose-ship.ts';

/** What a real bash offers for the words of a command line, the last of which is being typed. */
async function complete(words: readonly string[]): Promise<string[]> {
  const { stdout: script } = await proseShip(['completion', 'bash']);
  const typed = ['prose-ship', ...words].map((word) => `'${word}'`).join(' ');
  const ask = `${script}\nCOMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _prose_ship; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await run(createContext(), { program: 'bash', args: ['--norc', '-c', ask] });
  return stdout.split('\n').filter(Boolean);
}

test('bash completes verbs, and the options of the verb that was typed', async (t) => {
  t.deepEqual(await complete(['rel']), ['release']);
  t.deepEqual(await complete(['']), verbs.map(({ name }) => name));
  t.deepEqual(await complete(['update', '--a']), ['--allow-downgrade', '--accept-host-key']);
  t.deepEqual(await complete(['check', '--j']), ['--json']);
  t.deepEqual(await complete(['update', 'x']), []);
});

test('bash knows the function for the program’s name', async (t) => {
  const { stdout } = await run(createContext(), { program: 'bash', args: ['--norc', '-c', `${completionScript('bash', verbs)}\ncomplete -p prose-ship`] });
  t.is(stdout, 'complete -o default -F _prose_ship prose-ship');
});

test('zsh gets the same through its own emulation of bash’s', (t) => {
  const script = completionScript('zsh', verbs);
  t.true(script.startsWith('#compdef prose-ship\nautoload -U +X bashcompinit && bashcompinit\n'));
  t.true(script.endsWith(completionScript('bash', verbs)));
});

test('fish gets one line for each verb and option, its quotes balanced', (t) => {
  const lines = completionScript('fish', verbs).trimEnd().split('\n');
  for (const { name } of verbs) t.true(lines.some((line) => line.startsWith(`complete -c prose-ship -n __fish_use_subcommand -a ${name} -d '`)), name);
  for (const line of lines) t.regex(line, /^complete -c prose-ship -n (?:__fish_use_subcommand -a [a-z]+ -d '(?:[^'\\]|\\')*'|'__fish_seen_subcommand_from [a-z]+' -l [a-z-]+)$/);
});
