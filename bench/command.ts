import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { createContext } from '../src/context.ts';
import { interrupted } from '../src/errors.ts';
import { isMet, type Bench, type BenchSurroundings } from './bench.ts';
import { describeMachine } from './machine.ts';
import { formatReport, formatSection, replacePart, type Measured } from './report.ts';

const resultsFile = path.join(import.meta.dirname, 'RESULTS.md');

export interface BenchCommand {
  /** `bench/main.ts` */
  readonly script: string;
  /** First-level heading of its part of RESULTS.md. */
  readonly title: string;
  readonly benches: readonly Bench[];
  readonly defaultRuns: number;
  /** Something is left out by other means than arguments: the committed results stay. */
  readonly isPart?: boolean;
  /** Makes what all benches use; it is closed after them, also when this failed. */
  readonly begin?: (surroundings: Omit<BenchSurroundings, 'runs'>) => Promise<void>;
  readonly end?: () => Promise<void>;
}

/** @returns the exit status: 1 when a target is missed, 2 for wrong arguments, 130 when interrupted */
export async function benchCommand(command: BenchCommand): Promise<number> {
  const options = readArguments(command);
  if (!options) {
    console.error(`usage: node ${command.script} [--runs N] [--output FILE] [${command.benches.map(({ name }) => name).join('|')}]...`);
    return 2;
  }
  const stopping = new AbortController();
  // `once` would be no listener any more when execa's signal-exit counts them: it would end this process.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stopping.abort(interrupted()));
  const context = createContext({ signal: stopping.signal });
  const machine = await describeMachine(context);
  const directory = await mkdtemp(path.join(os.tmpdir(), 'prose-ship-bench-'));
  const measured: Measured[] = [];
  const failed: string[] = [];
  try {
    await command.begin?.({ context, scratch: directory, note: (text) => console.error(text) });
    for (const bench of options.benches) {
      const scratch = path.join(directory, bench.name);
      await mkdir(scratch);
      const note = (text: string) => console.error(`${bench.name}: ${text}`);
      try {
        const result = await bench.run({ context, scratch, runs: options.runs, note });
        measured.push({ bench, result });
        // A later bench may be interrupted after half an hour; what is known by then is worth having.
        console.error(formatSection({ bench, result }).join('\n'));
      } catch (error) {
        if (stopping.signal.aborted) throw error;
        failed.push(bench.name);
        console.error(`${bench.name} failed, the others go on:`, error);
      }
      await rm(scratch, { recursive: true, force: true });
    }
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
    console.error('interrupted');
    return 130;
  } finally {
    await command.end?.();
    await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
  const report = formatReport(measured, machine, options.command, command.title);
  console.log(report);
  if (options.output) await writeFile(options.output, report);
  if (failed.length > 0) {
    console.error(`failed: ${failed.join(', ')}; ${path.basename(resultsFile)} stays as it was`);
    return 1;
  }
  if (options.isWhole) await writeFile(resultsFile, replacePart(await readFile(resultsFile, 'utf8').catch(() => ''), report));
  return measured.flatMap(({ result }) => result.targets).every(isMet) ? 0 : 1;
}

interface BenchArguments {
  readonly benches: readonly Bench[];
  readonly runs: number;
  readonly output?: string;
  /** Results of some benches alone never replace the committed ones. */
  readonly isWhole: boolean;
  readonly command: string;
}

function readArguments({ benches, defaultRuns, isPart = false, script }: BenchCommand): BenchArguments | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { runs: { type: 'string', default: String(defaultRuns) }, output: { type: 'string' } },
    });
    const unknown = positionals.some((name) => !benches.some((bench) => bench.name === name));
    const runs = Number(values.runs);
    if (unknown || !Number.isInteger(runs) || runs < 1) return undefined;
    const all = positionals.length === 0;
    return {
      benches: all ? benches : benches.filter(({ name }) => positionals.includes(name)),
      runs,
      isWhole: all && !isPart && values.output === undefined,
      ...(values.output === undefined ? {} : { output: values.output }),
      command: [`node ${script}`, ...process.argv.slice(2)].join(' '),
    };
  } catch {
    return undefined;
  }
}
