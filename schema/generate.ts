/**
 * Writes schema/*.schema.json and docs/reference/{site,recipe}.md from the schemas in src/site/schema and of image.json, or with `--check` says which
 * of them are stale (exit status 1).
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { imageDescriptionSchema } from '../src/bake/publish/image-description.ts';
import { includableKeys } from '../src/site/schema/recipe/include-schema.ts';
import { recipeSchema } from '../src/site/schema/recipe-schema.ts';
import { siteSchema } from '../src/site/schema/site-schema.ts';
import { referencePage, type JsonSchema } from './reference-page.ts';

const root = path.resolve(import.meta.dirname, '..');

/** Every generated file by its path in the repository. */
export function generate(): Map<string, string> {
  const site = jsonSchema(siteSchema, 'prose-ship site');
  const recipe = jsonSchema(recipeSchema, 'prose-ship recipe');
  const image = jsonSchema(imageDescriptionSchema, 'prose-ship OS image');
  return new Map([
    ['schema/site.schema.json', `${JSON.stringify(site, undefined, 2)}\n`],
    ['schema/recipe.schema.json', `${JSON.stringify(withIncludes(recipe), undefined, 2)}\n`],
    ['schema/image.schema.json', `${JSON.stringify(image, undefined, 2)}\n`],
    ['docs/reference/site.md', referencePage('The site file: prose-ship.yaml', siteIntroduction, site)],
    ['docs/reference/recipe.md', referencePage('The recipe: recipe.yaml', recipeIntroduction, recipe)],
  ]);
}

function jsonSchema(schema: z.ZodType, title: string): JsonSchema {
  const generated = z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' });
  return { title, ...generated } as JsonSchema;
}

/** What must be there may stand in a file that `include` names. */
function withIncludes(schema: JsonSchema): JsonSchema {
  const isIncludable = (key: string) => (includableKeys as readonly string[]).includes(key);
  const { required = [] } = schema;
  const either = required.filter(isIncludable).map((key) => ({ anyOf: [{ required: [key] }, { required: ['include'], properties: { include: { required: [key] } } }] }));
  return { ...schema, required: required.filter((key) => !isIncludable(key)), allOf: either };
}

const siteIntroduction = `One installation of a recipe. \`prose-ship init\` writes one with comments, \`prose-ship check\` tells every mistake at once
with its line. For completion in an editor, begin the file with this comment, with the path of your copy of prose-ship:

    # yaml-language-server: $schema=PATH/schema/site.schema.json`;

const recipeIntroduction = `What to run, for any number of sites. [Writing a recipe](../recipes/writing-a-recipe.md) explains how the parts work together. For
completion in an editor, begin the file with this comment, with the path of your copy of prose-ship:

    # yaml-language-server: $schema=PATH/schema/recipe.schema.json

What is required at the top level may stand in a file that \`include\` names.`;

/** The generated files whose content in the repository is another one. */
export async function staleFiles(): Promise<string[]> {
  const stale: string[] = [];
  for (const [name, text] of generate()) {
    const present = await readFile(path.join(root, name), 'utf8').catch(() => undefined);
    if (present !== text) stale.push(name);
  }
  return stale;
}

if (import.meta.main) {
  const stale = await staleFiles();
  if (process.argv.includes('--check')) {
    for (const name of stale) console.error(`${name} is stale: run \`node schema/generate.ts\``);
    process.exitCode = stale.length > 0 ? 1 : 0;
  } else {
    for (const [name, text] of generate()) {
      if (stale.includes(name)) await writeFile(path.join(root, name), text);
    }
    console.log(stale.length > 0 ? `Wrote ${stale.join(', ')}` : 'Everything is up to date');
  }
}
