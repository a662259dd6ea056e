import { z } from 'zod';
import type { Refusal } from '../schema/words.ts';
import { suggest } from './nearest.ts';
import { Problems, keyName } from './problems.ts';
import { childSchema, descriptionOf, keysOf } from './schema-keys.ts';
import type { Path } from './source-document.ts';

type Issue = z.core.$ZodIssue;

/**
 * Checks a document against its schema. Every problem is added with its place and remedy; the value is undefined as soon
 * as there is one. Nothing below `secret` paths is ever shown.
 */
export function validate<Schema extends z.ZodType>(
  schema: Schema,
  problems: Problems,
  isSecret: (path: Path) => boolean = () => false,
): z.output<Schema> | undefined {
  const { document } = problems;
  if (document.problems.length > 0) return undefined;
  const result = schema.safeParse(withoutEmpty(document.value, schema), { reportInput: true });
  if (result.success) return result.data;
  for (const issue of result.error.issues.flatMap((one) => mostTelling(one))) report(schema, problems, issue, isSecret);
  return undefined;
}

/** A key with nothing after it, as in `hosts:`, means the default where there is one. */
function withoutEmpty(value: unknown, schema: z.ZodType): unknown {
  if (value === null || value === undefined) return {};
  if (!(schema instanceof z.ZodObject) || typeof value !== 'object' || Array.isArray(value)) return value;
  const shape = schema.shape as Record<string, z.ZodType | undefined>;
  return Object.fromEntries(Object.entries(value).filter(([key, one]) => one !== null || !(shape[key] instanceof z.ZodDefault)));
}

function report(schema: z.ZodType, problems: Problems, issue: Issue, isSecret: (path: Path) => boolean): void {
  const path = issue.path as Path;
  if (issue.code === 'unrecognized_keys') {
    reportUnknownKeys(schema, problems, issue, path);
  } else if (issue.code === 'invalid_key') {
    const refusal = refusalOf(issue.issues[0]);
    problems.addToKey(path, refusal?.code ?? 'E_BAD_NAME', `The key '${String(path.at(-1))}' ${refusal?.message ?? 'is not valid'}`, refusal?.remedy ?? '');
  } else if (issue.input === undefined) {
    problems.addToKey(path, 'E_MISSING_VALUE', `\`${keyName(path)}\` is missing`, missingRemedy(schema, path));
  } else {
    reportValue(schema, problems, issue, path, isSecret(path));
  }
}

function reportUnknownKeys(schema: z.ZodType, problems: Problems, issue: z.core.$ZodIssueUnrecognizedKeys, path: Path): void {
  const valid = keysOf(path.reduce<z.ZodType | undefined>(childSchema, schema));
  const given = Object.keys(issue.input ?? {});
  const where = path.length > 0 ? ` in \`${keyName(path)}\`` : '';
  for (const key of issue.keys) {
    const open = valid.filter((one) => !given.includes(one));
    problems.addToKey([...path, key], 'E_UNKNOWN_KEY', `Unknown key '${key}'${where}`, suggest(key, open.length > 0 ? open : valid));
  }
}

function reportValue(schema: z.ZodType, problems: Problems, issue: Issue, path: Path, secret: boolean): void {
  const refusal = refusalOf(issue);
  const name = path.length === 0 ? 'The file' : `\`${keyName(path)}\``;
  const hidden = secret || refusal?.hidden === true || issue.input === null;
  const shown = hidden ? '' : ` ${show(issue.input)}`;
  if (refusal) {
    problems.add(path, refusal.code, `${name}${shown} ${refusal.message}`, refusal.remedy);
  } else if (secret && issue.code === 'invalid_union' && typeof issue.input !== 'object') {
    problems.add(path, 'E_SECRET_IN_PLAIN_TEXT', `${name} holds the secret itself`, plainSecretRemedy(path));
  } else if (issue.code === 'invalid_type') {
    const expected = expectedNames[issue.expected] ?? issue.expected;
    const written = problems.document.writtenAs(path);
    const quoted = expected === 'text' && !hidden && written !== undefined ? `Put it in quotes: '${written}'` : undefined;
    problems.add(path, 'E_WRONG_TYPE', `${name} must be ${expected}, but is ${typeName(issue.input)}${shown}`, quoted ?? describe(schema, path) ?? `Write ${expected}.`);
  } else if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    problems.add(path, 'E_WRONG_TYPE', `${name} cannot be ${typeName(issue.input)}${shown}`, describe(schema, path) ?? 'See the reference.');
  } else {
    problems.add(path, 'E_BAD_VALUE', `${name}${shown} is not allowed`, valueRemedy(issue, schema, path));
  }
}

/** Of the alternatives of a union, the one that the value comes closest to. */
function mostTelling(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union') return [issue];
  if (issue.errors.length === 0) return [{ ...issue, input: (issue.input as Record<string, unknown>)[String(issue.path.at(-1))] }];
  const typed = issue.errors.filter((branch) => !branch.some((one) => one.code === 'invalid_type' && one.path.length === 0));
  if (typed.length === 0) return [issue];
  const badness = (branch: Issue[]) =>
    branch.reduce((sum, one) => sum + (one.path.length === 0 && one.code === 'unrecognized_keys' ? 10 * one.keys.length : 1), 0);
  const [best = []] = typed.toSorted((a, b) => badness(a) - badness(b));
  return best.flatMap((one) => mostTelling({ ...one, path: [...issue.path, ...one.path] }));
}

function refusalOf(issue: Issue | undefined): Refusal | undefined {
  return issue?.code === 'custom' && issue.params ? { ...(issue.params as unknown as Refusal), message: issue.message } : undefined;
}

function plainSecretRemedy(path: Path): string {
  const name = String(path.at(-1));
  const variable = name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_');
  return `Say where it comes from${path[0] === 'secrets' ? ', under `secrets`' : ''}: ${name}: {env: ${variable}}, or {file: PATH}, or {command: [PROGRAM, ARGUMENT]}. If the file was shared or committed, change the secret too.`;
}

function missingRemedy(schema: z.ZodType, path: Path): string {
  const described = describe(schema, path);
  return `Add \`${String(path.at(-1))}\`${described ? `: ${described}` : '.'}`;
}

function describe(schema: z.ZodType, path: Path): string | undefined {
  return descriptionOf(path.reduce<z.ZodType | undefined>(childSchema, schema));
}

function valueRemedy(issue: Issue, schema: z.ZodType, path: Path): string {
  if (issue.code === 'invalid_value') return suggest(String(issue.input), issue.values.map(String));
  if (issue.code === 'invalid_union' && 'options' in issue) return suggest(String(issue.input), (issue.options ?? []).map(String));
  if (issue.code === 'too_small' || issue.code === 'too_big') return sizeRemedy(issue);
  return describe(schema, path) ?? issue.message;
}

export function show(value: unknown): string {
  const shown = typeof value === 'string' ? `'${value}'` : JSON.stringify(value);
  return shown.length > 80 ? `${shown.slice(0, 77)}...` : shown;
}

function sizeRemedy(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const unit = { string: 'in characters', array: 'in entries' }[String(issue.origin)];
  const limit = issue.code === 'too_small' ? `At least ${issue.minimum}` : `At most ${issue.maximum}`;
  return unit === undefined ? `${limit}.` : `${limit}, ${unit}.`;
}

function typeName(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'the list';
  return typeNames[typeof value] ?? typeof value;
}

const typeNames: Record<string, string> = { string: 'the text', number: 'the number', boolean: 'the boolean', object: 'the map' };

const expectedNames: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
};
