import type { RecipeInput } from '../schema/recipe-schema.ts';
import type { Condition } from '../schema/recipe/condition.ts';
import type { Engine } from '../template/engine.ts';
import type { Problems } from '../yaml/problems.ts';
import { lastFirst, type Path } from '../yaml/source-document.ts';
import { adoptFailure } from './components.ts';

/** The lists and maps of a recipe whose entries may have a `when`; the probes of each service besides. */
const conditional: readonly Path[] = [
  ['components'],
  ['files'],
  ['rollout', 'services'],
  ['data', 'volumes'],
  ['os', 'packages'],
  ['os', 'ports'],
  ['host', 'files'],
  ['host', 'checks'],
  ['dns'],
  ['steps'],
];

/** What conditions see besides the template's scope: all components, whether wanted or not, with the site's versions. */
export function conditionScope(
  scope: Readonly<Record<string, unknown>>,
  recipe: RecipeInput,
  overrides: Readonly<Record<string, { readonly version?: string | undefined }>>,
): Readonly<Record<string, unknown>> {
  const components = Object.entries(recipe.components).map(([name, { version }]) => [name, { version: overrides[name]?.version ?? version }]);
  return { components: Object.fromEntries(components), ...scope };
}

/** What a recipe's texts are rendered and its conditions evaluated with. */
export interface Surroundings {
  readonly engine: Engine;
  readonly scope: object;
  /** Of the recipe. */
  readonly problems: Problems;
}

/** Whether a condition holds; what is wrong with it is added to the problems, and then it does not. */
export function holds(condition: Condition, at: Path, { engine, scope, problems }: Surroundings): boolean {
  try {
    return engine.evaluate(condition, scope, problems.document.placeOf(at));
  } catch (error) {
    adoptFailure(error, at, problems);
    return false;
  }
}

/**
 * The recipe without the entries whose `when` does not hold. The document of `problems` loses them, too, so that the
 * places of what is left stay right.
 */
export function narrowRecipe(recipe: RecipeInput, surroundings: Surroundings): RecipeInput {
  const { problems } = surroundings;
  const unwanted: Path[] = [];
  for (const path of [...conditional, ...recipe.rollout.services.map((_, index) => ['rollout', 'services', index, 'probes'])]) {
    for (const [key, entry] of entriesOf(valueAt(recipe, path))) {
      const at = [...path, key];
      const condition = valueAt(entry, ['when']) as Condition | undefined;
      if (condition !== undefined && !holds(condition, [...at, 'when'], surroundings)) unwanted.push(at);
    }
  }
  if (unwanted.length === 0) return recipe;
  const narrowed = structuredClone(recipe);
  for (const at of lastFirst(unwanted)) {
    const key = at.at(-1);
    const parent = valueAt(narrowed, at.slice(0, -1));
    if (Array.isArray(parent)) parent.splice(Number(key), 1);
    else Reflect.deleteProperty(parent as object, String(key));
  }
  problems.document.leaveOut(unwanted);
  checkWhatIsLeft(narrowed, problems);
  return narrowed;
}

/** What `checkRecipe` has asked of the whole recipe, for what was left of it. */
function checkWhatIsLeft({ components, rollout: { services }, files, accounts }: RecipeInput, problems: Problems): void {
  const remedy = (what: string) => `Give ${what} the same \`when\`.`;
  for (const [index, { name, component, maintenancePage: page }] of services.entries()) {
    const at = ['rollout', 'services', index];
    if (!(component in components)) {
      problems.add([...at, 'component'], 'E_UNKNOWN_COMPONENT', `The service '${name}' is wanted, but its component '${component}' is not: that one's \`when\` does not hold`, remedy('both'));
    }
    if (page !== undefined && !(page in files)) {
      problems.add([...at, 'maintenancePage'], 'E_UNKNOWN_FILE', `The service '${name}' is wanted, but its page '${page}' is not: that one's \`when\` does not hold`, remedy('both'));
    }
  }
  for (const component of Object.keys(components)) {
    if (services.some((service) => service.component === component)) continue;
    problems.addToKey(['components', component], 'E_UNUSED_COMPONENT', `The component '${component}' is wanted, but no service that runs it: their \`when\` does not hold`, remedy('the component'));
  }
  if (accounts && !services.some(({ name }) => name === accounts.service)) {
    problems.add(['accounts', 'service'], 'E_UNKNOWN_SERVICE', `The service '${accounts.service}', which keeps the accounts, is not wanted: its \`when\` does not hold`, 'Remove its `when`.');
  }
  if (services.length === 0) problems.addToKey(['rollout', 'services'], 'E_MISSING_VALUE', 'No service is wanted: no `when` holds', 'At least one service must be there.');
}

function entriesOf(collection: unknown): [string | number, unknown][] {
  if (Array.isArray(collection)) return [...collection.entries()];
  return collection !== null && typeof collection === 'object' ? Object.entries(collection) : [];
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((found, key) => (found !== null && typeof found === 'object' ? (found as Record<string, unknown>)[key] : undefined), value);
}

/** Names of entries that may be written as `{name, when}`. */
export function namesOf(entries: readonly (string | { readonly name: string })[]): string[] {
  return entries.map((entry) => (typeof entry === 'string' ? entry : entry.name));
}
