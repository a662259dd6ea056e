import type { Context } from '../src/context.ts';

/** One benchmark. Both sides of every ratio are measured in the same run, one after the other in turns. */
export interface Bench {
  readonly name: string;
  readonly title: string;
  run(surroundings: BenchSurroundings): Promise<BenchResult>;
}

export interface BenchSurroundings {
  readonly context: Context;
  /** An empty folder of its own, removed afterwards. */
  readonly scratch: string;
  /** How often each side is measured at least. */
  readonly runs: number;
  /** Tells what is being done. */
  readonly note: (text: string) => void;
}

export interface BenchResult {
  /** How it was measured, in sentences. */
  readonly setup: readonly string[];
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly targets: readonly Target[];
}

/** Met when `actual` is at most `limit`. */
export interface Target {
  readonly name: string;
  readonly actual: number;
  readonly limit: number;
  /** How the numbers are shown. */
  readonly format: (value: number) => string;
}

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (position: number) => sorted[position] ?? Number.NaN;
  const half = (sorted.length - 1) / 2;
  return { min: at(0), median: (at(Math.floor(half)) + at(Math.ceil(half))) / 2, max: at(sorted.length - 1) };
}

/** Minimum, median and maximum as three cells of a row. */
export function cells({ min, median, max }: Spread, format: (value: number) => string): string[] {
  return [format(min), format(median), format(max)];
}

export function isMet({ actual, limit }: Target): boolean {
  return actual <= limit;
}

export const asRatio = (value: number): string => value.toFixed(3);
export const asMilliseconds = (value: number): string => `${value.toFixed(0)} ms`;
export const asSeconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
export const asBytes = (bytes: number): string => bytes.toLocaleString('en-US');
export const asMebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
