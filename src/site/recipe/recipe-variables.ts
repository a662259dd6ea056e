import path from 'node:path';
import { ConfigurationError } from '../../errors.ts';
import { recipeSchema } from '../schema/recipe-schema.ts';
import type { RecipeVariable } from '../site-template.ts';
import { Problems } from '../yaml/problems.ts';
import { SourceDocument, readSourceDocument } from '../yaml/source-document.ts';
import { validate } from '../yaml/validate.ts';
import { locateRecipe } from './locate-recipe.ts';

/**
 * The variables of a recipe, so that `init` can show them before there is a site.
 * @param recipe As a site file names it: built-in, or a path relative to `directory`.
 * @throws ConfigurationError E_MISSING_RECIPE, or what is wrong with the recipe
 */
export async function recipeVariables(recipe: string, directory: string): Promise<RecipeVariable[]> {
  const request = new Problems(new SourceDocument(path.join(directory, 'prose-ship.yaml'), ''));
  const file = await locateRecipe(recipe, directory, request);
  if (file === undefined) throw new ConfigurationError(request.all);
  const problems = new Problems(await readSourceDocument(file, 'recipe', 'Check the path.'));
  const loaded = validate(recipeSchema, problems);
  if (!loaded) throw new ConfigurationError(problems.all);
  return Object.entries(loaded.variables).map(([name, { type, description, required, default: value }]) => ({
    name,
    type,
    description,
    required,
    ...(value === undefined ? {} : { default: value }),
  }));
}
