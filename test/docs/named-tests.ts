import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { planScenarios, titleOf } from '../faults/matrix/scenarios.ts';

export const repository = path.resolve(import.meta.dirname, '../..');

/** A test as a page of the documentation names it: `test/FILE: TITLE`. */
export interface NamedTest {
  readonly file: string;
  readonly title: string;
}

/** Undefined where the text names none. */
export function namedTest(text: string): NamedTest | undefined {
  const [, file, title] = /^(test\/\S+): (.+)$/.exec(text) ?? [];
  return file !== undefined && title !== undefined ? { file, title } : undefined;
}

/** Titles of scenarios are made of data; all others stand in the file as they are. */
export function isNamedIn(source: string, { file, title }: NamedTest): boolean {
  const scenario = planScenarios(['overlay2', 'containerd']).find((one) => titleOf(one) === title);
  if (scenario) return file.endsWith('/matrix.faults.ts') || source.includes(`['${scenario.fault}', '${scenario.point.name}']`);
  const plain = source.replaceAll(String.raw`\'`, "'").replaceAll('\\`', '`');
  return [`'${title}'`, `\`${title}\``, `"${title}"`].some((quoted) => plain.includes(quoted));
}

/** Those of which there is no such file, or no such title in it. */
export async function missingTests(named: readonly NamedTest[]): Promise<NamedTest[]> {
  const missing: NamedTest[] = [];
  for (const one of named) {
    const source = await readFile(path.join(repository, one.file), 'utf8').catch(() => '');
    if (!isNamedIn(source, one)) missing.push(one);
  }
  return missing;
}
