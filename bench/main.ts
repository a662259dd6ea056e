import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { createContext } from '../src/context.ts';
import { interrupted } from '../src/errors.ts';
import { isMet, type Bench } from './bench.ts';
import { help } from './help.ts';
import { describeMachine } from './machine.ts';
import { memory } from './memory.ts';
import { formatReport, type Measured } from './report.ts';
import { update } from './update.ts';

const benches: readonly Bench[] = [help, memory, update];
const usage = `usage: node bench/main.ts [--runs N] [--output FILE] [${benches.map(({ name }) => name).join('|')}]...`;

/** @returns the exit status: 1 when a target is missed, 2 for wrong arguments, 130 when interrupted */
async function main(): Promise<number> {
  const options = readArguments();
  if (!options) {
    console.error(usage);
    return 2;
  }
  const stopping = new AbortController();
  // `once` would be no listener any more when execa's signal-exit counts them: it would end this process.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stopping.abort(interrupted()));
  const context = createContext({ signal: stopping.signal });
  const machine = await describeMachine(context);
  const directory = await mkdtemp(path.join(os.tmpdir(), 'prose-ship-bench-'));
  const measured: Measured[] = [];
  try {
    for (const bench of options.benches) {
      const scratch = path.join(directory, bench.name);
      await mkdir(scratch);
      const note = (text: string) => console.error(`${bench.name}: ${text}`);
      measured.push({ bench, result: await bench.run({ context, scratch, runs: options.runs, note }) });
      await rm(scratch, { recursive: true, force: true });
    }
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
    console.error('interrupted');
    return 130;
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
  const report = formatReport(measured, machine, options.command);
  console.log(report);
  if (options.output) await writeFile(options.output, report);
  return measured.flatMap(({ result }) => result.targets).every(isMet) ? 0 : 1;
}

interface BenchArguments {
  readonly benches: readonly Bench[];
  readonly runs: number;
  /** Results of some benches alone never replace the committed ones. */
  readonly output: string | undefined;
  readonly command: string;
}

function readArguments(): BenchArguments | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { runs: { type: 'string', default: '3' }, output: { type: 'string' } },
    });
    const unknown = positionals.some((name) => !benches.some((bench) => bench.name === name));
    const runs = Number(values.runs);
    if (unknown || !Number.isInteger(runs) || runs < 1) return undefined;
    const all = positionals.length === 0;
    return {
      benches: all ? benches : benches.filter(({ name }) => positionals.includes(name)),
      runs,
      output: values.output ?? (all ? path.join(import.meta.dirname, 'RESULTS.md') : undefined),
      command: ['node bench/main.ts', ...process.argv.slice(2)].join(' '),
    };
  } catch {
    return undefined;
  }
}

process.exitCode = await main();
