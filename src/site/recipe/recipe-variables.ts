import path from 'node:path';
import { ConfigurationError } from '../../errors.ts';
import { include } from '../schema/recipe/include-schema.ts';
import { recipeSchema, type RecipeInput } from '../schema/recipe-schema.ts';
import type { RecipeProfile, RecipeVariable } from '../site-template.ts';
import { Problems } from '../yaml/problems.ts';
import { readWithIncludes } from '../yaml/read-includes.ts';
import { SourceDocument } from '../yaml/source-document.ts';
import { validate } from '../yaml/validate.ts';
import { locateRecipe } from './locate-recipe.ts';
import { applyProfile } from './profiles.ts';

/**
 * The variables of a recipe, so that `init` can show them before there is a site.
 * @param recipe As a site file names it: built-in, or a path relative to `directory`.
 * @param profile One of the recipe's, whose defaults are shown; without it, those of the recipe's default profile.
 * @throws ConfigurationError E_MISSING_RECIPE, E_UNKNOWN_PROFILE, or what is wrong with the recipe
 */
export async function recipeVariables(recipe: string, directory: string, profile?: string): Promise<RecipeVariable[]> {
  const loaded = await readRecipe(recipe, directory);
  const request = new Problems(new SourceDocument(path.join(directory, 'prose-ship.yaml'), ''));
  const definitions = profile === undefined && loaded.defaultProfile === undefined ? loaded.variables : applyProfile(loaded, profile, request);
  if (!definitions) throw new ConfigurationError(request.all);
  return Object.entries(definitions).map(([name, { type, description, required, default: value }]) => ({
    name,
    type,
    description,
    required,
    ...(value === undefined ? {} : { default: value }),
  }));
}

/**
 * The profiles of a recipe, none where it has none.
 * @throws ConfigurationError E_MISSING_RECIPE, or what is wrong with the recipe
 */
export async function recipeProfiles(recipe: string, directory: string): Promise<RecipeProfile[]> {
  const { profiles = {}, defaultProfile } = await readRecipe(recipe, directory);
  return Object.entries(profiles).map(([name, { description }]) => ({ name, description, ...(name === defaultProfile ? { isDefault: true } : {}) }));
}

async function readRecipe(recipe: string, directory: string): Promise<RecipeInput> {
  const request = new Problems(new SourceDocument(path.join(directory, 'prose-ship.yaml'), ''));
  const file = await locateRecipe(recipe, directory, request);
  if (file === undefined) throw new ConfigurationError(request.all);
  const problems = new Problems(await readWithIncludes(file, 'recipe', 'Check the path.', include));
  const loaded = validate(recipeSchema, problems);
  if (!loaded) throw new ConfigurationError(problems.all);
  return loaded;
}
