import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { startPrivateEngine } from '../../src/host/engine/private-engine.ts';
import { asBytes, asRatio, spread, type Bench, type BenchSurroundings, type Target } from '../bench.ts';
import { formatTable } from '../report.ts';
import { changes, changeTitles, makeCases, scaleVariable, type Case, type Change } from './cases.ts';
import { PeerHost } from './peer-host.ts';
import { debianProgram } from './programs.ts';
import { freePort, registryHere, registryThere } from './registry.ts';
import { fillRegistries, ourWays, peerWays, type Surroundings, type Way } from './ways.ts';

const mbitPerSecond = 100;
const roundTripsMs = [0, 20, 80];
/** A cell is measured again until it has taken so long. */
const cellMs = 10_000;
const largestRatio = 1.05;
/** The seed's way for a small layer against ours. */
const leastSeedFactor = 10;

/** One way to send one change over one line; `why` when it failed. */
interface Cell {
  readonly change: Change;
  readonly roundTripMs: number;
  readonly way: Way;
  readonly ms: readonly number[];
  readonly sentBytes: number;
  readonly roundTrips: number;
  readonly why?: string;
}

/** Updates against what people do without prose-ship. */
export const updates: Bench = {
  name: 'updates',
  title: 'an update over a long line, against six other ways',
  async run(bench) {
    const { context, scratch, note } = bench;
    const engine = await startPrivateEngine({ ...context, cacheDirectory: path.join(scratch, 'cache') });
    const stops: (() => Promise<void>)[] = [() => engine.stop()];
    try {
      const dockerHost = engine.dockerHost ?? '';
      note('making images and releases');
      const cases = await makeCases(context, scratch, dockerHost);
      note('a host');
      const host = await PeerHost.create(context, scratch, mbitPerSecond);
      stops.unshift(() => host.destroy());
      const registryDirectory = path.join(scratch, 'registry');
      await mkdir(registryDirectory);
      const here = await registryHere(context, registryDirectory);
      stops.unshift(() => here.stop());
      const there = await registryThere(context, host.throwaway);
      const rsync = await debianProgram(context, 'rsync');
      const surroundings: Surroundings = { context, host, dockerHost, directory: scratch, here, there, rsync, tunnelPort: await freePort() };
      const peers = peerWays(surroundings);
      const [first] = cases.values();
      if (!first) throw new Error('there is no case');
      await fillRegistries(surroundings, [...cases.values()], peers);
      await host.settle(first);
      const cells = await measure(bench, surroundings, cases, [...peers, ...ourWays(surroundings)]);
      return { setup: setup(cases, peers, bench.runs), ...table(cells), targets: targets(cells) };
    } finally {
      for (const stop of stops) await stop().catch((error: unknown) => note(`cleaning up: ${String(error)}`));
    }
  },
};

/** Only some cells for a try: `PROSE_SHIP_BENCH_CELLS='small large' PROSE_SHIP_BENCH_LINKS='0 80'`. */
const cellsVariable = 'PROSE_SHIP_BENCH_CELLS';
const linksVariable = 'PROSE_SHIP_BENCH_LINKS';
const waysVariable = 'PROSE_SHIP_BENCH_WAYS';

export const isPart = [cellsVariable, linksVariable, waysVariable, scaleVariable].some((name) => process.env[name] !== undefined);

function chosen<T>(variable: string, all: readonly T[], nameOf = (one: T) => String(one)): readonly T[] {
  const words = process.env[variable]?.split(/[ ,]/);
  return words ? all.filter((one) => words.includes(nameOf(one))) : all;
}

/** What fails is told in its cell and ends nothing else; an interruption ends all. */
async function measure({ context, runs, note }: BenchSurroundings, surroundings: Surroundings, cases: ReadonlyMap<Change, Case>, ways: readonly Way[]): Promise<Cell[]> {
  const cells: Cell[] = [];
  try {
    for (const roundTripMs of chosen(linksVariable, roundTripsMs)) {
      for (const change of chosen(cellsVariable, changes)) {
        const one = cases.get(change);
        if (!one) continue;
        for (const way of chosen(waysVariable, ways, ({ name }) => name.replaceAll(/\W+/g, '-'))) {
          const cell = await measureCell(surroundings, one, way, roundTripMs, runs);
          cells.push(cell);
          const times = cell.ms.map((ms) => `${(ms / 1000).toFixed(2)} s`).join(', ');
          note(`${roundTripMs} ms, ${changeTitles[change]}, ${way.name}: ${cell.why ?? times}, ${asBytes(cell.sentBytes)} bytes, ${cell.roundTrips} round trips`);
          context.signal.throwIfAborted();
        }
      }
    }
  } catch (error) {
    if (cells.length > 0) note(`until then:\n${formatTable(table(cells).head, table(cells).rows).join('\n')}`);
    throw error;
  }
  return cells;
}

async function measureCell({ host, here, there }: Surroundings, one: Case, way: Way, roundTripMs: number, runs: number): Promise<Cell> {
  const ms: number[] = [];
  let sentBytes = 0;
  let roundTrips = 0;
  try {
    for (let total = 0; ms.length < runs && total < cellMs; total += ms.at(-1) ?? 0) {
      await host.line.setRoundTrip(0);
      await host.reset();
      if (way.name === 'registry here') await here.reset();
      if (way.name === 'registry there') await there.reset();
      await host.line.setRoundTrip(roundTripMs);
      const before = await host.line.state();
      const startedAt = performance.now();
      await way.send(one);
      ms.push(performance.now() - startedAt);
      const after = await host.line.state();
      sentBytes = after.sentBytes - before.sentBytes;
      roundTrips = after.roundTrips - before.roundTrips;
      await host.requireImage(way.referenceOf(one), one.diffIds);
    }
    return { change: one.change, roundTripMs, way, ms, sentBytes, roundTrips };
  } catch (error) {
    return { change: one.change, roundTripMs, way, ms: [], sentBytes, roundTrips, why: `failed: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function setup(cases: ReadonlyMap<Change, Case>, peers: readonly Way[], runs: number): string[] {
  const image = (change: Change) => asBytes(cases.get(change)?.imageBytes ?? 0);
  return [
    `Line: ${mbitPerSecond} Mbit/s each way with a round trip of ${roundTripsMs.join(', ')} ms, by a proxy (test/support/long-line) that delays what is under way without holding up what follows; no loss, no slow start.`,
    `Image: files of /usr/lib, ${image('small')} bytes; with the layer of 80 MB ${image('large')}; everything new ${image('everything')}. Layers of 100 KB are half random and half text.`,
    'Host: one throw-away host, one engine (overlay2) for all ways. The release before runs there, came there by each way that keeps something of it, and before each run the host is taken back to that.',
    'Time: from the call until the image is on the host and its engine has shown it (`docker image inspect`); ours has then also proven and flushed it. Nothing is started.',
    'Made beforehand: the tarballs of sftp and rsync, the releases of ours. Not beforehand: `docker save` into a pipe, `docker push` (of layers that are gzipped already).',
    `Each cell is the median of up to ${runs} runs, as many as fit into ${cellMs / 1000} s.`,
    ...peers.map(({ name, title }) => `${name}: ${title}.`),
    'command: `prose-ship push` as a whole process; ours, registry: `--transport registry`. The ratios are those to the quickest of the six others.',
  ];
}

function median(cells: readonly Cell[], change: Change, roundTripMs: number, way: string): number {
  const cell = cells.find((one) => one.change === change && one.roundTripMs === roundTripMs && one.way.name === way);
  return spread(cell?.ms ?? []).median;
}

function best(cells: readonly Cell[], change: Change, roundTripMs: number): number {
  const medians = cells
    .filter(({ way }) => !way.isOurs)
    .map(({ way }) => median(cells, change, roundTripMs, way.name));
  return medians.length > 0 ? Math.min(...medians) : Number.NaN; // NaN also when one of them failed: it might have been the best
}

function table(cells: readonly Cell[]): { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] } {
  const ways = [...new Set(cells.map(({ way }) => way.name))];
  const seconds = (ms: number) => (Number.isNaN(ms) ? 'failed' : `${(ms / 1000).toFixed(2)} s`);
  const rows = combinations(cells).map(({ change, roundTripMs }) => [
    `${changeTitles[change]}, ${roundTripMs} ms`,
    ...ways.map((way) => seconds(median(cells, change, roundTripMs, way))),
    ...['ours', 'command'].map((way) => asRatio(median(cells, change, roundTripMs, way) / best(cells, change, roundTripMs))),
  ]);
  const firstLine = Math.min(...cells.map(({ roundTripMs }) => roundTripMs));
  const bytes = changes.flatMap((change) => {
    const sent = cells.filter((one) => one.change === change && one.roundTripMs === firstLine);
    return sent.length === 0 ? [] : [[`${changeTitles[change]}, bytes sent`, ...ways.map((way) => asBytes(sent.find((one) => one.way.name === way)?.sentBytes ?? Number.NaN)), '', '']];
  });
  return { head: ['change, round trip', ...ways, 'ours / best', 'command / best'], rows: [...rows, ...bytes] };
}

function combinations(cells: readonly Cell[]): { readonly change: Change; readonly roundTripMs: number }[] {
  const keys = new Map(cells.map(({ change, roundTripMs }) => [`${change} ${roundTripMs}`, { change, roundTripMs }]));
  return [...keys.values()].sort((one, other) => changes.indexOf(one.change) - changes.indexOf(other.change) || one.roundTripMs - other.roundTripMs);
}

/** A cell that failed has no number, and a target without a number is missed. */
function targets(cells: readonly Cell[]): Target[] {
  return combinations(cells).flatMap(({ change, roundTripMs }): Target[] => {
    const of = (way: string) => median(cells, change, roundTripMs, way);
    const place = `${changeTitles[change]}, ${roundTripMs} ms`;
    const against: Target = { name: `${place}: ours / best of the others`, actual: of('ours') / best(cells, change, roundTripMs), limit: largestRatio, format: asRatio };
    if (change !== 'small') return [against];
    return [against, { name: `${place}: ours / sftp and load`, actual: of('ours') / of('sftp'), limit: 1 / leastSeedFactor, format: asRatio }];
  });
}
