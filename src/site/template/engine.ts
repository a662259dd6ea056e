import { readFile } from 'node:fs/promises';
import { Liquid } from 'liquidjs';
import { ExitStatus, ShipError, type Place } from '../../errors.ts';
import { suggest } from '../yaml/nearest.ts';
import { displayPath } from '../yaml/source-document.ts';
import { quoteLua } from './lua.ts';

/** What is used of liquidjs' errors (its util/error.ts); the classes themselves are not exported as values. */
interface LiquidFailure extends Error {
  readonly token?: { readonly file?: string; getPosition(): number[] };
  readonly originalError?: LiquidFailure;
  readonly errors?: readonly LiquidFailure[];
}

export type Filter = (value: unknown) => unknown;

export interface Engine {
  /** @throws TemplateFailure with every problem of the template */
  renderText(text: string, scope: object, place: Place): Promise<string>;
  /** The same for a file; places are exact. */
  renderFile(file: string, scope: object): Promise<string>;
}

/** What is wrong with a template: one ShipError each, with its place. */
export class TemplateFailure extends Error {
  readonly problems: readonly ShipError[];

  constructor(problems: readonly ShipError[]) {
    super(problems[0]?.message);
    this.problems = problems;
  }
}

/** Filters that would make two renderings of the same inputs differ. */
const unsteady = ['date', 'date_to_xmlschema', 'date_to_rfc822', 'date_to_string', 'date_to_long_string', 'sample', 'shuffle'];
const renderLimitMs = 10_000;

/**
 * A Liquid engine (Shopify's template language) in which everything doubtful is an error: undefined variables and
 * filters, printing a secret, printing a list without saying how. `{% render %}` finds files below `directory` only.
 */
export function createEngine(directory: string, filters: Readonly<Record<string, Filter>> = {}, escape: (text: string) => string = (text) => text): Engine {
  const liquid = new Liquid({
    root: [directory],
    relativeReference: false,
    strictVariables: true,
    strictFilters: true,
    ownPropertyOnly: true,
    catchAllErrors: true,
    renderLimit: renderLimitMs,
    outputEscape: (value: unknown) => escape(printable(value)),
  });
  for (const name of unsteady) Reflect.deleteProperty(liquid.filters, name);
  liquid.registerFilter('json', (value: unknown) => JSON.stringify(value));
  liquid.registerFilter('lua', (value: unknown) => quoteLua(value));
  for (const [name, filter] of Object.entries(filters)) liquid.registerFilter(name, filter);

  const render = async (text: string, scope: object, place: Place, exact: boolean) => {
    try {
      return String(await liquid.render(liquid.parse(text, place.file), scope));
    } catch (error) {
      const failure = error as LiquidFailure;
      const errors = failure.errors ?? [failure];
      const names = { variables: variableNames(scope), filters: Object.keys(liquid.filters) };
      throw new TemplateFailure(errors.map((one) => explain(one, names, place, exact)));
    }
  };
  return {
    renderText: (text, scope, place) => render(text, scope, place, false),
    renderFile: async (file, scope) => render(await readFile(file, 'utf8'), scope, { file: displayPath(file) }, true),
  };
}

function printable(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) {
    throw problem('E_TEMPLATE', 'This is a list, and a list cannot be printed as it is', 'Say how: `| join: ", "`, `| json` or `| lua`.');
  }
  // The text of a secret's stand-in throws: see scope.ts.
  return text(value);
}

/** What a template prints of a value; calls its own `toString`. */
function text(value: { toString(): string }): string {
  return value.toString();
}

function explain(error: LiquidFailure, names: { variables: string[]; filters: string[] }, place: Place, exact: boolean): ShipError {
  const original = rootCause(error);
  const found = exact ? position(error, place) : place;
  if (original instanceof ShipError) {
    return problem(original.code, original.message, original.remedy ?? '', found, original);
  }
  const told = original instanceof Error ? original.message : error.message;
  const variable = /^undefined variable: ([^\n]+?)(?:, file:|$)/.exec(told)?.[1];
  if (variable !== undefined) {
    return problem('E_UNDEFINED_VARIABLE', `The template uses '${variable}', which is not defined`, suggest(variable, names.variables, 'Defined'), found);
  }
  const filter = /^undefined filter: ([^\s,]+)/.exec(told)?.[1];
  if (filter !== undefined) {
    return problem('E_UNDEFINED_FILTER', `The template uses the filter '${filter}', which does not exist here`, suggest(filter, names.filters, 'Filters'), found);
  }
  return problem('E_TEMPLATE', `The template cannot be rendered: ${told.split(/, file:|\n/)[0] ?? told}`, 'See the syntax of Liquid templates; docs/recipes/writing-a-recipe.md lists what is added to it.', found);
}

/** liquidjs wraps what filters and variables throw, sometimes twice. */
function rootCause(error: LiquidFailure): unknown {
  let cause: unknown = error;
  for (let depth = 0; depth < 10; depth++) {
    const inner = (cause as Partial<LiquidFailure>).originalError;
    if (!inner) break;
    cause = inner;
  }
  return cause;
}

function position(error: LiquidFailure, place: Place): Place {
  // The innermost token stands nearest to the fault.
  let token: LiquidFailure['token'];
  for (let inner: LiquidFailure | undefined = error; inner; inner = inner.originalError) token = inner.token ?? token;
  const [line = 1, column = 1] = token?.getPosition() ?? [];
  return { file: token?.file ? displayPath(token.file) : place.file, line, column };
}

function problem(code: ShipError['code'], message: string, remedy: string, place?: Place, cause?: unknown): ShipError {
  return new ShipError({ code, message, remedy, exitStatus: ExitStatus.usage, ...(place ? { place } : {}), cause });
}

/** `site.domain`, `client_port`, ...: what a template may name. */
function variableNames(scope: object, prefix = ''): string[] {
  return Object.entries(scope).flatMap(([name, value]: [string, unknown]) =>
    value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype
      ? variableNames(value, `${prefix}${name}.`)
      : [`${prefix}${name}`],
  );
}
