import { readdir, realpath } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { ShipError } from '../../errors.ts';
import { ComposedDocument } from './composed-document.ts';
import { suggest } from './nearest.ts';
import { Problems } from './problems.ts';
import { childSchema, keysOf } from './schema-keys.ts';
import { readSourceDocument, type PlacedDocument, type SourceDocument } from './source-document.ts';
import { validate } from './validate.ts';

/**
 * Reads a YAML file together with the files that its `include` names, each of which holds what would stand under its key.
 * What is wrong with `include` is among the document's problems: E_MISSING_FILE, E_BAD_PATH, E_DUPLICATE_KEY where the key
 * stands in the file, too, E_NESTED_INCLUDE where an included file includes others.
 * @param include Schema of `include`: which keys there may be, and paths below the file's folder.
 * @throws ShipError E_MISSING_FILE where the file itself cannot be read, exit status 2
 */
export async function readWithIncludes(file: string, what: string, remedy: string, include: z.ZodObject): Promise<PlacedDocument> {
  const main = await readSourceDocument(file, what, remedy);
  const given = isMap(main.value) ? main.value : {};
  if (given['include'] === undefined) return main;
  const problems = new Problems(main);
  // What else is wrong with the file is said when all of it is there.
  validate(z.looseObject({ include }), problems);
  const parts = new Map<string, SourceDocument>();
  for (const [key, name] of wellFormed(given['include'], include)) {
    if (key in given) problems.addToKey([key], 'E_DUPLICATE_KEY', `\`${key}\` stands here and in '${name}', which \`include\` names`, 'Remove one of the two.');
    const part = await readPart(path.dirname(file), key, name, problems);
    if (!part) continue;
    parts.set(key, part);
    checkPart(key, part, problems);
  }
  return new ComposedDocument(main, parts, problems.all);
}

/** The entries that can be followed, whatever is wrong with the others. */
function wellFormed(value: unknown, include: z.ZodObject): [string, string][] {
  const entries = isMap(value) ? Object.entries(value) : [];
  return entries.filter((entry): entry is [string, string] => {
    const [key, name] = entry;
    const schema = keysOf(include).includes(key) ? childSchema(include, key) : undefined;
    return typeof name === 'string' && schema?.safeParse(name).success === true;
  });
}

async function readPart(directory: string, key: string, name: string, problems: Problems): Promise<SourceDocument | undefined> {
  const at = ['include', key];
  const target = path.join(directory, name);
  const real = await realpath(target).catch(() => undefined);
  if (real !== undefined && path.relative(await realpath(directory), real).startsWith('..')) {
    problems.add(at, 'E_BAD_PATH', `\`include.${key}\` '${name}' is a link out of the recipe's folder`, 'Put the file itself there.');
    return undefined;
  }
  try {
    return await readSourceDocument(target, `file for \`${key}\`,`, `${suggest(name, await yamlFiles(directory, name, problems), 'Files there')} Paths are relative to recipe.yaml.`);
  } catch (error) {
    if (!(error instanceof ShipError)) throw error;
    problems.adopt(at, error);
    return undefined;
  }
}

/** What may have been meant: the YAML files of the folder and of the one that was named. */
async function yamlFiles(directory: string, name: string, { document }: Problems): Promise<string[]> {
  const folders = [...new Set(['.', path.dirname(name)])];
  const found = await Promise.all(
    folders.map(async (folder) => (await readdir(path.join(directory, folder)).catch(() => [])).map((entry) => path.join(folder, entry))),
  );
  const self = path.basename(document.placeOf([]).file);
  return found.flat().filter((one) => /\.ya?ml$/.test(one) && one !== self).sort();
}

function checkPart(key: string, part: SourceDocument, problems: Problems): void {
  const found = new Problems(part);
  const value = isMap(part.value) ? part.value : {};
  const { include } = value;
  // In maps of names, `include` may be one of them.
  if (typeof include === 'string' || (isMap(include) && Object.values(include).every((name) => /\.ya?ml$/.test(String(name))))) {
    found.addToKey(['include'], 'E_NESTED_INCLUDE', 'An included file cannot include others', 'Name the file in `include` of recipe.yaml.');
  } else if (Object.keys(value).join() === key) {
    found.addToKey([key], 'E_REPEATED_KEY', `The file repeats its key, \`${key}\``, `Remove this line, and indent what is below it less: the whole file stands under \`${key}\`.`);
  }
  for (const problem of found.all) problems.adopt(['include', key], problem);
}

function isMap(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
