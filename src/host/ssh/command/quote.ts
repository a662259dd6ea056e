/**
 * One word of a POSIX shell command line that arrives as exactly `text` (POSIX.1-2017, Shell Command Language, 2.2.2).
 * @throws TypeError for a NUL, which no argument can hold
 */
export function quote(text: string): string {
  if (text.includes('\0')) throw new TypeError('An argument cannot hold a NUL character');
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The command line that a remote login shell splits into exactly these words. */
export function quoteCommand(words: readonly string[]): string {
  return words.map(quote).join(' ');
}
