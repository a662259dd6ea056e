import path from 'node:path';
import { Command, CommanderError, Option } from 'commander';
import { ConfigurationError, ExitStatus, interrupted, ShipError } from '../errors.ts';
import { createContext } from '../context.ts';
import { SecretRegistry } from '../secret.ts';
import { createConfirm } from './confirm.ts';
import { formatError, wantsColor } from './report/format.ts';
import type { Reporter } from './report/reporter.ts';
import type { Session, Verb, VerbArguments, VerbOption, VerbOptions } from './verb.ts';
import { verbs } from './verbs.ts';
import { version } from './version.ts';

interface GlobalOptions {
  readonly config: string;
  readonly json?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly verbose?: boolean;
}

/** From argv to the exit status, which is set on the process; nothing is thrown. */
export async function main(argv: readonly string[] = process.argv.slice(2)): Promise<void> {
  const program = createProgram(async (verb, args, options, global) => {
    process.exitCode = await runVerb(verb, args, options, global);
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? ExitStatus.done : ExitStatus.usage;
  }
}

type Run = (verb: Verb, args: VerbArguments, options: VerbOptions, global: GlobalOptions) => Promise<void>;

/** The parser of the whole command line; also what completions are made of. */
export function createProgram(run: Run): Command {
  const program = new Command('prose-ship')
    .description('One file describes a chat server; prose-ship builds it for ARM, and keeps it running on a Raspberry Pi.')
    .version(version())
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ helpWidth: 100 })
    .addHelpText('after', '\nExample:\n  prose-ship init && prose-ship release && prose-ship update pi@raspberrypi.local\n');
  for (const verb of verbs) program.addCommand(createCommand(verb, run));
  return program;
}

function createCommand(verb: Verb, run: Run): Command {
  const command = new Command(verb.name).summary(verb.summary).description(`${verb.summary}.`).exitOverride();
  for (const { name, description } of verb.arguments ?? []) command.argument(name, description);
  for (const option of verb.options ?? []) command.addOption(createOption(option));
  command
    .option('-c, --config <file>', 'the site file', 'prose-ship.yaml')
    .option('--json', 'one JSON object a line on standard output')
    .option('-n, --dry-run', 'stop after the plan')
    .option('-y, --yes', 'answer every question with yes')
    .option('-v, --verbose', 'show the commands that run, and stack traces')
    .configureHelp({ helpWidth: 100 })
    .addHelpText('after', `\nExample:\n  prose-ship ${verb.example}\n`)
    .action(async (...received: unknown[]) => {
      const args = received.slice(0, -2) as VerbArguments;
      const options = command.opts<VerbOptions & GlobalOptions>();
      await run(verb, args, options, options);
    });
  return command;
}

function createOption({ flags, description, choices, default: value, repeatable }: VerbOption): Option {
  const option = new Option(flags, description);
  if (choices) option.choices(choices);
  if (value !== undefined) option.default(value);
  if (repeatable) option.argParser((item: string, list: string[] | undefined) => [...(list ?? []), item]);
  return option;
}

async function runVerb(verb: Verb, args: VerbArguments, options: VerbOptions, global: GlobalOptions): Promise<number> {
  const { json = false, dryRun = false, yes = false, verbose = false } = global;
  const stopping = new AbortController();
  const stop = (signal: NodeJS.Signals) => {
    // The second time somebody is in a hurry.
    if (stopping.signal.aborted) process.exit(ExitStatus.interrupted);
    process.stderr.write(`\n${signal}: stopping cleanly; once more ends at once.\n`);
    stopping.abort(interrupted());
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, stop);
  const secrets = new SecretRegistry();
  const reporter = await createReporter(json, verbose);
  const session: Session = {
    context: createContext({ emit: (event) => reporter.emit(event), signal: stopping.signal, secrets }),
    siteFile: path.resolve(global.config),
    dryRun,
    json,
    verbose,
    print: (text) => {
      if (!json) process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
    },
    confirm: createConfirm(yes, process.stdin, process.stderr, stopping.signal),
    confirmHostKey: createConfirm(false, process.stdin, process.stderr, stopping.signal),
  };
  try {
    const result = await verb.run(session, args, options);
    await reporter.finish();
    if (json) process.stdout.write(`${JSON.stringify({ type: 'result', ok: true, ...result })}\n`);
    return ExitStatus.done;
  } catch (caught) {
    const error = stopping.signal.aborted && !(caught instanceof ConfigurationError) ? asInterruption(caught) : caught;
    await reporter.finish();
    const text = secrets.redact(formatError(error, { color: wantsColor(process.stderr, process.env), verbose }));
    process.stderr.write(`${text}\n`);
    if (json) process.stdout.write(`${secrets.redact(JSON.stringify({ type: 'result', ok: false, error: describe(error) }))}\n`);
    return error instanceof ShipError ? error.exitStatus : ExitStatus.failed;
  } finally {
    for (const signal of signals) process.off(signal, stop);
  }
}

/** Whatever an abort made fail, the reason is the abort; errors that know of it, or of a rollback, are kept. */
function asInterruption(error: unknown): unknown {
  const keeps: readonly number[] = [ExitStatus.rolledBack, ExitStatus.interrupted];
  return error instanceof ShipError && keeps.includes(error.exitStatus) ? error : interrupted();
}

function describe(error: unknown): object {
  if (error instanceof ShipError) return error.toJSON();
  return { code: 'E_BUG', message: error instanceof Error ? error.message : String(error) };
}

async function createReporter(json: boolean, verbose: boolean): Promise<Reporter> {
  if (json) return (await import('./report/json-reporter.ts')).createJsonReporter(process.stdout, { verbose });
  if (process.stderr.isTTY && !process.env['CI'] && !verbose) {
    return (await import('./report/terminal-reporter.ts')).createTerminalReporter(process.stderr, { verbose });
  }
  return (await import('./report/line-reporter.ts')).createLineReporter(process.stderr, { verbose });
}
