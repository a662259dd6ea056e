import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { suggest } from '../yaml/nearest.ts';
import type { Problems } from '../yaml/problems.ts';
import { kindOf } from '../yaml/source-document.ts';

/** The folder of prose-ship itself, with recipes/ and dockerfiles/ in it. */
export const programDirectory = path.resolve(import.meta.dirname, '../../..');
export const recipesDirectory = path.join(programDirectory, 'recipes');

/** The names of the recipes that come with prose-ship, sorted. */
export async function builtInRecipes(): Promise<string[]> {
  const entries = await readdir(recipesDirectory, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const kinds = await Promise.all(folders.map((name) => kindOf(path.join(recipesDirectory, name, 'recipe.yaml'))));
  return folders.filter((_, index) => kinds[index] === 'file').sort();
}

/**
 * The recipe.yaml that a site's `recipe` means: a built-in name, or a path (anything with a slash in it, or ending in
 * .yaml) relative to the site file. Adds E_MISSING_RECIPE and gives undefined where there is none.
 */
export async function locateRecipe(recipe: string, siteDirectory: string, problems: Problems): Promise<string | undefined> {
  const builtIn = await builtInRecipes();
  if (builtIn.includes(recipe)) return path.join(recipesDirectory, recipe, 'recipe.yaml');
  const isPath = recipe.includes('/') || /\.ya?ml$/.test(recipe);
  if (isPath) {
    const target = path.resolve(siteDirectory, recipe);
    const kind = await kindOf(target);
    if (kind === 'file') return target;
    if (kind === 'directory' && (await kindOf(path.join(target, 'recipe.yaml'))) === 'file') return path.join(target, 'recipe.yaml');
    const what = kind === 'directory' ? 'has no recipe.yaml' : 'does not exist';
    problems.add(['recipe'], 'E_MISSING_RECIPE', `The recipe '${recipe}' ${what}`, `Give the path of a recipe.yaml or its folder, relative to the site file, or a built-in recipe: ${builtIn.join(', ')}.`);
    return undefined;
  }
  const remedy = `${suggest(recipe, builtIn, 'Built-in recipes')} A recipe of your own is given by its path: ./${recipe}`;
  problems.add(['recipe'], 'E_MISSING_RECIPE', `There is no built-in recipe '${recipe}'`, remedy);
  return undefined;
}
