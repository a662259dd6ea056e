import type { Context } from '../context.ts';
import type { Confirm } from './terminal/confirm.ts';

/**
 * A verb of the command line as data. `program.ts` makes the parser and `--help` of it; the stage's code is imported only
 * when the verb runs, so that `--help` stays fast.
 */
export interface Verb {
  readonly name: string;
  /** One line, lower case, no full stop. */
  readonly summary: string;
  /** In commander's notation: `<host...>`, `[dir]`. */
  readonly arguments?: readonly { readonly name: string; readonly description: string }[];
  readonly options?: readonly VerbOption[];
  /** A command line that works as it stands, without the program's name. */
  readonly example: string;
  /** Does the work; what it returns is the data of the `--json` result. Text for programs goes through `session.print`. */
  run(session: Session, args: VerbArguments, options: VerbOptions): Promise<object | undefined>;
}

export interface VerbOption {
  /** In commander's notation: `--release <dir>`. */
  readonly flags: string;
  readonly description: string;
  readonly choices?: readonly string[];
  readonly default?: string | boolean;
  /** May be given several times; the values come as a list. */
  readonly repeatable?: boolean;
}

/** The options of every verb. */
export const globalOptions: readonly VerbOption[] = [
  { flags: '-c, --config <file>', description: 'the site file (default: prose-ship.yaml in this folder)' },
  { flags: '--json', description: 'one JSON object a line on standard output' },
  { flags: '-n, --dry-run', description: 'stop after the plan' },
  { flags: '-y, --yes', description: 'answer every question with yes' },
  { flags: '-v, --verbose', description: 'show the commands that run, and stack traces' },
];

/** Everything that the global options decide. */
export interface Session {
  readonly context: Context;
  /** The site file, absolute. */
  readonly siteFile: string;
  /** Whether it was named with `--config`: then it must be there. */
  readonly siteIsNamed: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
  /** Writes what was asked for to standard output; nothing with `--json`. */
  print(text: string): void;
  readonly confirm: Confirm;
  /** Never answered by `--yes`: trust in a host key must be somebody's own decision. */
  readonly confirmHostKey: Confirm;
}

/** Words as typed; `<host...>` is a list. */
export type VerbArguments = readonly (string | readonly string[] | undefined)[];
export type VerbOptions = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

/** The words of a variadic argument. */
export function words(args: VerbArguments, position: number): readonly string[] {
  const value = args[position];
  return typeof value === 'string' ? [value] : (value ?? []);
}

/** A single argument or option, or undefined. */
export function word(value: VerbOptions[string]): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
