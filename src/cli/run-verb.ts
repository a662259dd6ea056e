import path from 'node:path';
import { createContext } from '../context.ts';
import { ConfigurationError, ExitStatus, interrupted, ShipError } from '../errors.ts';
import { SecretRegistry } from '../secret.ts';
import { createConfirm } from './terminal/confirm.ts';
import { formatError, wantsColor } from './report/format.ts';
import type { Reporter } from './report/reporter.ts';
import type { Session, Verb, VerbArguments, VerbOptions } from './verb.ts';

/** The options that every verb has. */
export interface GlobalOptions {
  /** The site file; without it `prose-ship.yaml` here. */
  readonly config?: string;
  readonly json?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly verbose?: boolean;
}

/** Runs a verb and shows what comes of it. Gives the exit status; nothing is thrown. */
export async function runVerb(verb: Verb, args: VerbArguments, options: VerbOptions, global: GlobalOptions): Promise<number> {
  const { json = false, verbose = false } = global;
  const reporter = await createReporter(json, verbose);
  const interruption = watchSignals(reporter);
  const secrets = new SecretRegistry();
  const session = createSession(global, reporter, secrets, interruption.signal);
  try {
    const result = await verb.run(session, args, options);
    await reporter.finish();
    if (json) process.stdout.write(`${JSON.stringify({ type: 'result', ok: true, ...result })}\n`);
    return ExitStatus.done;
  } catch (caught) {
    await reporter.finish();
    if (interruption.readerHasGone()) return ExitStatus.interrupted;
    const error = interruption.signal.aborted && !(caught instanceof ConfigurationError) ? asInterruption(caught) : caught;
    return reportError(error, { json, verbose, secrets });
  } finally {
    interruption.unwatch();
  }
}

/** Tells people on standard error and, with `--json`, programs on standard output; gives the exit status. */
export function reportError(error: unknown, { json, verbose, secrets }: { json: boolean; verbose: boolean; secrets?: SecretRegistry }): number {
  const redact = (text: string) => secrets?.redact(text) ?? text;
  process.stderr.write(`${redact(formatError(error, { color: wantsColor(process.stderr, process.env), verbose }))}\n`);
  if (json) process.stdout.write(`${redact(JSON.stringify({ type: 'result', ok: false, ...resultOf(error), error: describe(error) }))}\n`);
  return error instanceof ShipError ? error.exitStatus : ExitStatus.failed;
}

function createSession(global: GlobalOptions, reporter: Reporter, secrets: SecretRegistry, signal: AbortSignal): Session {
  const { config, json = false, dryRun = false, yes = false, verbose = false } = global;
  const asking = {
    canAsk: process.stdin.isTTY && process.stderr.isTTY,
    ask: async (text: string) => {
      const { ask } = await import('./terminal/ask.ts');
      await new Promise<void>((resolve) => reporter.whenFree(resolve));
      return ask({ text, signal });
    },
  };
  return {
    context: createContext({ emit: (event) => reporter.emit(event), signal, secrets }),
    siteFile: path.resolve(config ?? 'prose-ship.yaml'),
    siteIsNamed: config !== undefined,
    dryRun,
    json,
    verbose,
    print: (text) => {
      if (!json) reporter.whenFree(() => process.stdout.write(text === '' || text.endsWith('\n') ? text : `${text}\n`));
    },
    confirm: createConfirm({ ...asking, yes }),
    confirmHostKey: createConfirm({ ...asking, yes: false }),
  };
}

interface Interruption {
  /** Aborted by the first signal, or when nobody reads standard output any more. */
  readonly signal: AbortSignal;
  /** Whether it was `| head` that ended the run: nothing is left to say. */
  readerHasGone(): boolean;
  unwatch(): void;
}

function watchSignals(reporter: Reporter): Interruption {
  const stopping = new AbortController();
  let readerHasGone = false;
  const onSignal = (name: NodeJS.Signals) => {
    // The second time somebody is in a hurry.
    if (stopping.signal.aborted) process.exit(ExitStatus.interrupted);
    reporter.stopping(`${name}: stopping cleanly; once more ends at once.`);
    stopping.abort(interrupted());
  };
  const onOutputError = (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    readerHasGone = true;
    stopping.abort(interrupted());
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.on(name, onSignal);
  process.stdout.on('error', onOutputError);
  return {
    signal: stopping.signal,
    readerHasGone: () => readerHasGone,
    // Standard output stays watched: what is left in its buffer may still fail.
    unwatch: () => signals.forEach((name) => process.off(name, onSignal)),
  };
}

/** Whatever an abort made fail, the reason is the abort; errors that know of it, or of a rollback, are kept. */
function asInterruption(error: unknown): unknown {
  const keeps: readonly number[] = [ExitStatus.rolledBack, ExitStatus.interrupted];
  return error instanceof ShipError && keeps.includes(error.exitStatus) ? error : interrupted();
}

function resultOf(error: unknown): object {
  return error instanceof ShipError ? (error.result ?? {}) : {};
}

function describe(error: unknown): object {
  if (error instanceof ShipError) return error.toJSON();
  return { code: 'E_BUG', message: error instanceof Error ? error.message : String(error) };
}

async function createReporter(json: boolean, verbose: boolean): Promise<Reporter> {
  if (json) return (await import('./report/json-reporter.ts')).createJsonReporter(process.stdout, process.stderr, { verbose });
  // A terminal that knows no width, or calls itself dumb, cannot be drawn on.
  const canDraw = process.stderr.isTTY && process.stderr.columns > 0 && process.env['TERM'] !== 'dumb';
  if (canDraw && !process.env['CI'] && !verbose) {
    return (await import('./report/terminal-reporter.ts')).createTerminalReporter(process.stderr, { verbose });
  }
  return (await import('./report/line-reporter.ts')).createLineReporter(process.stderr, { verbose });
}
