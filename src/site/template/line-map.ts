/** Private-use characters (Unicode, section 23.5) around a line number; they do not stand in Compose files. */
const marker = /\uE000(\d+)\uE001/g;

/**
 * Which line of a template each line of its rendering comes from: the template is rendered once more with a marker on
 * every line that begins with plain text. Undefined where the markers changed what was rendered (they can stop the
 * trimming of `{%-`), because then the lines would be wrong.
 */
export async function lineMap(template: string, rendered: string, render: (marked: string) => Promise<string>): Promise<number[] | undefined> {
  let inTag = false;
  const marked = template.split('\n').map((line, index) => {
    const plain = !inTag && /^\s*[^\s{]/.test(line);
    inTag = endsInTag(line, inTag);
    return plain ? line.replace(/^\s*/, (indent) => `${indent}\uE000${index + 1}\uE001`) : line;
  });
  const text = await render(marked.join('\n')).catch(() => '');
  if (text.replaceAll(marker, '') !== rendered) return undefined;
  const lines: number[] = [];
  for (const line of text.split('\n')) {
    const number = [...line.matchAll(marker)].at(-1)?.[1];
    lines.push(number === undefined ? (lines.at(-1) ?? 1) : Number(number));
  }
  return lines;
}

function endsInTag(line: string, before: boolean): boolean {
  const opened = Math.max(line.lastIndexOf('{{'), line.lastIndexOf('{%'));
  const closed = Math.max(line.lastIndexOf('}}'), line.lastIndexOf('%}'));
  if (opened < 0 && closed < 0) return before;
  return opened > closed;
}
