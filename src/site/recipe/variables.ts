import type { VariableValue } from '../model.ts';
import type { RecipeInput, VariableDefinition } from '../schema/recipe-schema.ts';
import type { SiteInput } from '../schema/site-schema.ts';
import { UnresolvedSecret, UnsetSecret } from '../secrets.ts';
import type { Engine } from '../template/engine.ts';
import { templateScope } from '../template/scope.ts';
import { keyName, type Problems } from '../yaml/problems.ts';
import { show } from '../yaml/validate.ts';
import { adoptFailure } from './components.ts';
import { hasTemplate, judgeValue } from './variable-definitions.ts';

/** Every variable of the recipe with the site's value or its default; secrets are known by their origin only. */
export async function makeVariables(
  site: SiteInput,
  siteDirectory: string,
  recipe: RecipeInput,
  engine: Engine,
  siteProblems: Problems,
  recipeProblems: Problems,
): Promise<Record<string, VariableValue>> {
  const scope = templateScope(site, recipe, {});
  const variables: Record<string, VariableValue> = {};
  for (const [name, definition] of Object.entries(recipe.variables)) {
    if (definition.type === 'secret') {
      const source = site.secrets[name];
      variables[name] = source
        ? new UnresolvedSecret(name, source, siteProblems.document.placeOfKey(['secrets', name]), siteDirectory)
        : new UnsetSecret(name);
    } else {
      variables[name] = site.variables[name] ?? (await renderDefault(name, definition, engine, scope, recipeProblems));
    }
  }
  return variables;
}

async function renderDefault(name: string, definition: VariableDefinition, engine: Engine, scope: object, problems: Problems): Promise<VariableValue> {
  const { default: value = '' } = definition;
  if (!hasTemplate(value)) return value;
  const at = ['variables', name, 'default'];
  const before = problems.all.length;
  const render = (text: string) => engine.renderText(text, scope, problems.document.placeOf(at)).catch((error: unknown) => adoptFailure(error, at, problems));
  const rendered = Array.isArray(value) ? await Promise.all(value.map(render)) : await render(String(value));
  const refusal = problems.all.length === before ? judgeValue(definition, rendered) : undefined;
  if (refusal) problems.add(at, refusal.code, `\`${keyName(at)}\` renders to ${show(rendered)}, which ${refusal.message}`, refusal.remedy);
  return rendered;
}
