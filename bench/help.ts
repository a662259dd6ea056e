import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { asMilliseconds, asRatio, cells, spread, type Bench } from './bench.ts';

const program = path.resolve(import.meta.dirname, '../src/cli/main.js');
/** Starts are short and jitter; the median of many is steady. */
const leastRuns = 25;
const largestRatio = 2.5;

/** How long a person waits for the command line itself, in units of Node's own start. */
export const help: Bench = {
  name: 'help',
  title: '`prose-ship --help` against `node -e 0`',
  async run({ context, scratch, runs, note }) {
    const count = Math.max(runs, leastRuns);
    // The compile cache of this run alone: its first start is a cold one.
    const environment = { ...process.env, NODE_COMPILE_CACHE: path.join(scratch, 'compile-cache') };
    const coldMs = time([program, '--help'], environment);
    time(['-e', '0'], environment);
    time([program, '--help'], environment);
    note(`${count} starts of each`);
    const ours: number[] = [];
    const bare: number[] = [];
    for (let index = 0; index < count; index += 1) {
      context.signal.throwIfAborted();
      await new Promise(setImmediate); // lets a signal in
      bare.push(time(['-e', '0'], environment));
      ours.push(time([program, '--help'], environment));
    }
    const [oursSpread, bareSpread] = [spread(ours), spread(bare)];
    return {
      setup: [
        `${count} starts of each, in turns, after one of each that is not counted; both by the same Node.`,
        `The very first start of a version strips the types and fills Node's compile cache: ${asMilliseconds(coldMs)}.`,
      ],
      head: ['command', 'min', 'median', 'max'],
      rows: [
        ['`node -e 0`', ...cells(bareSpread, asMilliseconds)],
        ['`prose-ship --help`', ...cells(oursSpread, asMilliseconds)],
        ['ratio, start by start', ...cells(spread(ours.map((ms, index) => ms / (bare[index] ?? Number.NaN))), asRatio)],
      ],
      targets: [
        {
          name: '`prose-ship --help` / `node -e 0`, medians',
          actual: oursSpread.median / bareSpread.median,
          limit: largestRatio,
          format: asRatio,
        },
      ],
    };
  },
};

function time(args: readonly string[], env: NodeJS.ProcessEnv): number {
  const startedAt = performance.now();
  const { status, stdout } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
  const elapsedMs = performance.now() - startedAt;
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${String(status)}`);
  if (args.includes('--help') && !stdout.includes('prose-ship')) throw new Error('--help printed nothing');
  return elapsedMs;
}
