import { globalOptions, type Verb } from './verb.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** Verbs first, then the options of the verb that was typed; file names where an option takes one. */
export function completionScript(shell: Shell, verbs: readonly Verb[]): string {
  switch (shell) {
    case 'bash':
      return bash(verbs);
    case 'zsh':
      return `#compdef prose-ship\nautoload -U +X bashcompinit && bashcompinit\n${bash(verbs)}`;
    case 'fish':
      return fish(verbs);
  }
}

function flagsOf(verb: Verb): string[] {
  const flags = [...(verb.options ?? []), ...globalOptions].map((option) => /--[\w-]+/.exec(option.flags)?.[0] ?? '');
  return [...flags.filter(Boolean), '--help'];
}

function bash(verbs: readonly Verb[]): string {
  const cases = verbs.map((verb) => `    ${verb.name}) words='${flagsOf(verb).join(' ')}' ;;`);
  return [
    '_prose_ship() {',
    '  local current=${COMP_WORDS[COMP_CWORD]} words',
    '  case ${COMP_WORDS[1]} in',
    ...cases,
    `    *) words='${verbs.map(({ name }) => name).join(' ')}' ;;`,
    '  esac',
    `  [ "$COMP_CWORD" -gt 1 ] || words='${verbs.map(({ name }) => name).join(' ')}'`,
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '}',
    'complete -o default -F _prose_ship prose-ship',
    '',
  ].join('\n');
}

function fish(verbs: readonly Verb[]): string {
  const quote = (text: string) => `'${text.replaceAll("'", "\\'")}'`;
  const lines = verbs.flatMap((verb) => [
    `complete -c prose-ship -n __fish_use_subcommand -a ${verb.name} -d ${quote(verb.summary)}`,
    ...flagsOf(verb).map((flag) => `complete -c prose-ship -n '__fish_seen_subcommand_from ${verb.name}' -l ${flag.slice(2)}`),
  ]);
  return `${lines.join('\n')}\n`;
}
