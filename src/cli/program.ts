import { Command, CommanderError, Option, type Argument } from 'commander';
import { ExitStatus } from '../errors.ts';
import { reportError, runVerb, type GlobalOptions } from './run-verb.ts';
import { usageError } from './usage-error.ts';
import { globalOptions, type Verb, type VerbArguments, type VerbOption, type VerbOptions } from './verb.ts';
import { verbs } from './verbs.ts';
import { version } from './version.ts';

/** From argv to the exit status, which is set on the process; nothing is thrown. */
export async function main(argv: readonly string[] = process.argv.slice(2)): Promise<void> {
  const program = createProgram(async (verb, args, options, global) => {
    process.exitCode = await runVerb(verb, args, options, global);
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? ExitStatus.done : refuse(error, argv);
  }
}

function refuse(error: CommanderError, argv: readonly string[]): number {
  const end = argv.indexOf('--');
  const words = end < 0 ? argv : argv.slice(0, end);
  const verb = verbs.find(({ name }) => words.includes(name))?.name;
  const json = words.includes('--json');
  if (error.code === 'commander.help' && !json) return ExitStatus.usage; // help was printed instead of an error
  return reportError(usageError(error, verb), { json, verbose: false });
}

type Run = (verb: Verb, args: VerbArguments, options: VerbOptions, global: GlobalOptions) => Promise<void>;

/** The parser of the whole command line; also what the reference page is made of. */
export function createProgram(run: Run): Command {
  const program = new Command('prose-ship')
    .description('One file describes a chat server; prose-ship builds it for ARM, and keeps it running on a Raspberry Pi.')
    .version(version())
    .usage('VERB [arguments] [options]')
    .addHelpText('after', '\nExample:\n  prose-ship init && prose-ship release && prose-ship update pi@raspberrypi.local\n');
  settle(program);
  for (const option of globalOptions) program.addOption(createOption(option));
  for (const verb of verbs) program.addCommand(createCommand(verb, program, run));
  return program;
}

function createCommand(verb: Verb, program: Command, run: Run): Command {
  const { name, summary } = verb;
  const command = new Command(name).summary(summary).description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`);
  settle(command);
  for (const argument of verb.arguments ?? []) command.argument(argument.name, argument.description);
  for (const option of verb.options ?? []) command.addOption(createOption(option));
  return command
    .addHelpText('after', `\nExample:\n  prose-ship ${verb.example}\n`)
    .action(async (...received: unknown[]) => {
      await run(verb, received.slice(0, -2) as VerbArguments, command.opts<VerbOptions>(), program.opts<GlobalOptions>());
    });
}

/** What holds for the program and for every verb; errors are printed by `refuse`. */
function settle(command: Command): void {
  command
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({ outputError: () => {} })
    .configureHelp({
      helpWidth: Math.min(process.stdout.columns || 80, 100),
      showGlobalOptions: true,
      subcommandTerm: (verb) => [verb.name(), ...verb.registeredArguments.map(argumentTerm)].join(' '),
    });
}

function argumentTerm(argument: Argument): string {
  const text = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${text}>` : `[${text}]`;
}

function createOption({ flags, description, choices, default: value, repeatable }: VerbOption): Option {
  const option = new Option(flags, description);
  if (choices) option.choices(choices);
  if (value !== undefined) option.default(value);
  if (repeatable) option.argParser((item: string, list: string[] | undefined) => [...(list ?? []), item]);
  return option;
}
