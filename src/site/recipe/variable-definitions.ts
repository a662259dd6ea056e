import type { VariableDefinition } from '../schema/recipe-schema.ts';
import { judgeDomain, type Refusal } from '../schema/words.ts';
import { nearest, suggest } from '../yaml/nearest.ts';
import { keyName, type Problems } from '../yaml/problems.ts';
import { show } from '../yaml/validate.ts';

type Given = string | number | boolean | readonly string[];

/**
 * Checks that each definition of a recipe makes sense by itself, its default included.
 * @param isSettled Whether a variable needs no default of its own because each profile gives or requires it.
 */
export function checkDefinitions(
  definitions: Readonly<Record<string, VariableDefinition>>,
  problems: Problems,
  isSettled: (name: string) => boolean = () => false,
): void {
  for (const [name, definition] of Object.entries(definitions)) {
    const path = ['variables', name];
    const { type, required } = definition;
    if (type === 'secret' && definition.default !== undefined) {
      problems.add([...path, 'default'], 'E_SECRET_IN_PLAIN_TEXT', `The secret variable '${name}' has a default`, 'Remove it; a site says where its secrets come from.');
      continue;
    }
    if (definition.generate && (type !== 'secret' || required)) {
      const why = type === 'secret' ? 'is required of the site and made by the host' : 'is no secret';
      problems.add([...path, 'generate'], 'E_BAD_VALUE', `\`${keyName(path)}\` ${why}`, '`generate: true` goes with the type secret, without `required: true`.');
    }
    if (type !== 'secret' && !required && definition.default === undefined && !isSettled(name)) {
      problems.addToKey(path, 'E_MISSING_VALUE', `\`${keyName(path)}\` has neither a default nor \`required: true\``, 'Give it a `default`, or make every site set it by `required: true`.');
    }
    for (const [key, types] of Object.entries(constraintTypes)) {
      if (definition[key as keyof VariableDefinition] === undefined || types.includes(type)) continue;
      problems.addToKey([...path, key], 'E_BAD_VALUE', `\`${keyName([...path, key])}\` has no meaning for the type ${type}`, `It goes with: ${types.join(', ')}.`);
    }
    if (definition.pattern !== undefined && !compiles(definition.pattern)) {
      problems.add([...path, 'pattern'], 'E_BAD_VALUE', `\`${keyName([...path, 'pattern'])}\` is not a regular expression`, 'Write a JavaScript regular expression without the slashes, in single quotes.');
      continue;
    }
    // A templated default can only be judged when a site is there.
    if (definition.default === undefined || hasTemplate(definition.default)) continue;
    const refusal = judgeValue(definition, definition.default);
    if (refusal) problems.add([...path, 'default'], refusal.code, `\`${keyName([...path, 'default'])}\` ${show(definition.default)} ${refusal.message}`, refusal.remedy);
  }
}

const constraintTypes: Record<string, readonly string[]> = {
  minimum: ['integer', 'port'],
  maximum: ['integer', 'port'],
  pattern: ['string', 'list'],
  enum: ['string', 'integer', 'list'],
};

export function hasTemplate(value: Given): boolean {
  return [value].flat().some((one) => typeof one === 'string' && /\{\{|\{%/.test(one));
}

/**
 * Checks what a site sets under `variables` and `secrets` against the recipe's definitions.
 * @param variables The site's raw map; values are shown in messages unless the variable is secret.
 */
export function checkValues(
  definitions: Readonly<Record<string, VariableDefinition>>,
  variables: Readonly<Record<string, unknown>>,
  secrets: Readonly<Record<string, unknown>>,
  problems: Problems,
): void {
  const named = (secret: boolean) => Object.keys(definitions).filter((name) => (definitions[name]?.type === 'secret') === secret);
  for (const [name, value] of Object.entries(variables)) {
    const path = ['variables', name];
    const definition = definitions[name];
    if (!definition) {
      const open = named(false).filter((one) => !(one in variables));
      const secret = nearest(name, named(false)) === undefined && nearest(name, named(true));
      const remedy = secret ? `Did you mean the secret '${secret}'? It goes under \`secrets\`, with where it comes from.` : suggest(name, open, 'The recipe has');
      problems.addToKey(path, 'E_UNKNOWN_VARIABLE', `The recipe has no variable '${name}'`, remedy);
    } else if (definition.type === 'secret') {
      problems.add(path, 'E_SECRET_IN_PLAIN_TEXT', `\`${keyName(path)}\` is a secret`, `Remove it here and say under \`secrets\` where it comes from: ${name}: {env: ${name.toUpperCase()}}, {file: PATH} or {command: [PROGRAM, ARGUMENT]}.`);
    } else if (isGiven(value)) {
      const refusal = judgeValue(definition, value);
      if (refusal) problems.add(path, refusal.code, `\`${keyName(path)}\` ${show(value)} ${refusal.message}`, refusal.remedy);
    }
  }
  for (const name of Object.keys(secrets)) {
    const definition = definitions[name];
    if (definition?.type === 'secret') continue;
    const remedy = definition ? 'It is no secret: set it under `variables`.' : suggest(name, named(true).filter((one) => !(one in secrets)), 'Its secrets');
    problems.addToKey(['secrets', name], 'E_UNKNOWN_VARIABLE', `The recipe has no secret '${name}'`, remedy);
  }
  for (const [name, { type, required, description }] of Object.entries(definitions)) {
    const group = type === 'secret' ? 'secrets' : 'variables';
    if (!required || name in (type === 'secret' ? secrets : variables)) continue;
    problems.addToKey([group], 'E_MISSING_VALUE', `The recipe needs the ${type === 'secret' ? 'secret' : 'variable'} '${name}', and the site does not set it`, `Add it under \`${group}\`: ${description}`);
  }
}

function isGiven(value: unknown): value is Given {
  return ['string', 'number', 'boolean'].includes(typeof value) || (Array.isArray(value) && value.every((one) => typeof one === 'string'));
}

/** Why a value does not fit a variable, or undefined when it does. An empty default of a domain means that there is none. */
export function judgeValue(definition: VariableDefinition, value: Given): Refusal | undefined {
  const { type, minimum, maximum } = definition;
  if (!typeTests[type](value)) return { code: 'E_WRONG_TYPE', message: `is not ${typeNames[type]}`, remedy: definition.description };
  if (typeof value === 'number') {
    const low = Math.max(minimum ?? -Infinity, type === 'port' ? 1 : -Infinity);
    const high = Math.min(maximum ?? Infinity, type === 'port' ? 65_535 : Infinity);
    if (value < low || value > high) return { code: 'E_BAD_VALUE', message: 'is out of range', remedy: rangeText(low, high) };
  }
  if (type === 'domain' && value !== '') return judgeDomain(value as string);
  for (const one of [value].flat() as (string | number)[]) {
    if (definition.enum && !definition.enum.includes(one)) {
      return { code: 'E_BAD_VALUE', message: 'is not one of the allowed values', remedy: suggest(String(one), definition.enum.map(String), 'Allowed') };
    }
    if (definition.pattern !== undefined && !new RegExp(`^(?:${definition.pattern})$`, 'u').test(String(one))) {
      return { code: 'E_BAD_VALUE', message: `does not match ${definition.pattern}`, remedy: definition.description };
    }
  }
  return undefined;
}

const typeTests: Record<VariableDefinition['type'], (value: Given) => boolean> = {
  string: (value) => typeof value === 'string',
  integer: (value) => Number.isSafeInteger(value),
  boolean: (value) => typeof value === 'boolean',
  port: (value) => Number.isSafeInteger(value),
  domain: (value) => typeof value === 'string',
  list: (value) => Array.isArray(value),
  secret: () => false,
};

const typeNames: Record<VariableDefinition['type'], string> = {
  string: 'text (put it in quotes)',
  integer: 'a whole number',
  boolean: 'true or false',
  port: 'a port number',
  domain: 'a domain name',
  list: 'a list of texts',
  secret: 'a secret',
};

function rangeText(low: number, high: number): string {
  if (low === -Infinity) return `At most ${high}.`;
  return high === Infinity ? `At least ${low}.` : `From ${low} to ${high}.`;
}

function compiles(pattern: string): boolean {
  try {
    new RegExp(pattern, 'u');
    return true;
  } catch {
    return false;
  }
}
