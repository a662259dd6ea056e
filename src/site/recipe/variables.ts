import type { VariableValue } from '../model.ts';
import type { RecipeInput, VariableDefinition } from '../schema/recipe-schema.ts';
import type { SiteInput } from '../schema/site-schema.ts';
import { GeneratedSecret, UnresolvedSecret, UnsetSecret } from '../secrets.ts';
import type { Engine } from '../template/engine.ts';
import { templateScope } from '../template/scope.ts';
import { keyName, type Problems } from '../yaml/problems.ts';
import type { Path } from '../yaml/source-document.ts';
import { show } from '../yaml/validate.ts';
import { adoptFailure } from './components.ts';
import { defaultPath } from './profiles.ts';
import { hasTemplate, judgeValue } from './variable-definitions.ts';

/** Every variable of the recipe, as `applyProfile` defines it, with the site's value or its default; secrets are known by their origin only. */
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
        : definition.generate
          ? new GeneratedSecret(name)
          : new UnsetSecret(name);
    } else {
      const at = defaultPath(recipe, site.profile, name);
      variables[name] = site.variables[name] ?? (await renderDefault(at, definition, engine, scope, recipeProblems));
    }
  }
  return variables;
}

async function renderDefault(at: Path, definition: VariableDefinition, engine: Engine, scope: object, problems: Problems): Promise<VariableValue> {
  const { default: value = '' } = definition;
  if (!hasTemplate(value)) return value;
  const before = problems.all.length;
  const render = (text: string) => engine.renderText(text, scope, problems.document.placeOf(at)).catch((error: unknown) => adoptFailure(error, at, problems));
  const rendered = Array.isArray(value) ? await Promise.all(value.map(render)) : await render(String(value));
  const refusal = problems.all.length === before ? judgeValue(definition, rendered) : undefined;
  if (refusal) problems.add(at, refusal.code, `\`${keyName(at)}\` renders to ${show(rendered)}, which ${refusal.message}`, refusal.remedy);
  return rendered;
}
