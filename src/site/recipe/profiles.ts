import type { RecipeInput, VariableDefinition } from '../schema/recipe-schema.ts';
import { suggest } from '../yaml/nearest.ts';
import { keyName, type Problems } from '../yaml/problems.ts';
import type { Path } from '../yaml/source-document.ts';
import { show } from '../yaml/validate.ts';
import { hasTemplate, judgeValue } from './variable-definitions.ts';

type Definitions = Readonly<Record<string, VariableDefinition>>;
type Profiles = NonNullable<RecipeInput['profiles']>;

/** What the profiles say about variables, against the variables. */
export function checkProfiles({ profiles = {}, defaultProfile, variables }: RecipeInput, problems: Problems): void {
  const names = Object.keys(variables);
  if (defaultProfile !== undefined && !Object.hasOwn(profiles, defaultProfile)) {
    problems.add(['defaultProfile'], 'E_UNKNOWN_PROFILE', `There is no profile '${defaultProfile}'`, suggest(defaultProfile, Object.keys(profiles), 'Profiles'));
  }
  for (const [profile, { variables: values, required }] of Object.entries(profiles)) {
    for (const [name, value] of Object.entries(values)) checkDefault(variables[name], value, ['profiles', profile, 'variables', name], names, problems);
    for (const [index, name] of required.entries()) {
      if (names.includes(name)) continue;
      problems.add(['profiles', profile, 'required', index], 'E_UNKNOWN_VARIABLE', `There is no variable '${name}'`, suggest(name, names, 'Variables'));
    }
  }
}

function checkDefault(definition: VariableDefinition | undefined, value: Profiles[string]['variables'][string], at: Path, names: readonly string[], problems: Problems): void {
  const name = String(at.at(-1));
  if (!definition) {
    problems.addToKey(at, 'E_UNKNOWN_VARIABLE', `There is no variable '${name}'`, suggest(name, names, 'Variables'));
  } else if (definition.type === 'secret') {
    problems.add(at, 'E_SECRET_IN_PLAIN_TEXT', `The secret variable '${name}' has a default`, 'Remove it; a site says where its secrets come from.');
  } else if (!hasTemplate(value)) {
    const refusal = judgeValue(definition, value);
    if (refusal) problems.add(at, refusal.code, `\`${keyName(at)}\` ${show(value)} ${refusal.message}`, refusal.remedy);
  }
}

/** Whether every profile gives the variable a value or makes the site do so: then it needs no default of its own. */
export function isSettledByProfiles({ profiles }: RecipeInput, name: string): boolean {
  return profiles !== undefined && Object.values(profiles).every(({ variables, required }) => name in variables || required.includes(name));
}

/**
 * The variables as they are defined for sites with this profile. Undefined where the site's profile is missing or unknown,
 * which is added to the problems of the site.
 */
export function applyProfile({ name: recipe, profiles, defaultProfile, variables }: RecipeInput, chosen: unknown, problems: Problems): Definitions | undefined {
  const given = chosen ?? defaultProfile;
  if (profiles === undefined) {
    if (chosen === undefined) return variables;
    problems.addToKey(['profile'], 'E_UNKNOWN_PROFILE', `The recipe '${recipe}' has no profiles`, 'Remove `profile`.');
    return undefined;
  }
  const profile = typeof given === 'string' && Object.hasOwn(profiles, given) ? profiles[given] : undefined;
  if (profile) return Object.fromEntries(Object.entries(variables).map(([name, definition]) => [name, defineIn(profile, name, definition)]));
  if (typeof given === 'string') {
    problems.add(['profile'], 'E_UNKNOWN_PROFILE', `The recipe '${recipe}' has no profile '${given}'`, suggest(given, Object.keys(profiles), 'Its profiles'));
  } else if (given === undefined || given === null) {
    const choice = Object.entries(profiles).map(([name, { description }]) => `${name} (${description})`);
    problems.addToKey(['profile'], 'E_MISSING_VALUE', `The recipe '${recipe}' wants to know its \`profile\``, `Add \`profile: NAME\`, one of: ${choice.join(' ')}`);
  }
  return undefined;
}

function defineIn(profile: Profiles[string], name: string, definition: VariableDefinition): VariableDefinition {
  const value = profile.variables[name];
  const isRequired = profile.required.includes(name);
  if (value === undefined) return { ...definition, required: isRequired || definition.required };
  return { ...definition, default: value, required: isRequired };
}

/** Where the default of a variable stands. */
export function defaultPath({ profiles = {} }: RecipeInput, profile: string | undefined, name: string): Path {
  const isOfProfile = profile !== undefined && profiles[profile]?.variables[name] !== undefined;
  return isOfProfile ? ['profiles', profile, 'variables', name] : ['variables', name, 'default'];
}
