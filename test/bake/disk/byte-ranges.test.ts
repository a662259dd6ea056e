import test from 'ava';
import { gapsBetween, mergeRanges, mergeSmallGaps, type ByteRange } from '../../../src/bake/disk/byte-ranges.ts';

const ranges = (...pairs: (readonly [number, number])[]): ByteRange[] => pairs.map(([startBytes, sizeBytes]) => ({ startBytes, sizeBytes }));

test('ranges become whole blocks, ascending, merged where they touch or overlap, and end with the disk', (t) => {
  t.deepEqual(mergeRanges(ranges([25, 5], [0, 1], [10, 10], [95, 3], [50, 0]), 10, 98), ranges([0, 30], [90, 8]));
  t.deepEqual(mergeRanges(ranges([0, 100], [10, 10]), 10, 100), ranges([0, 100]));
  t.deepEqual(mergeRanges([], 10, 100), []);
});

test('gaps are what lies between, before and behind', (t) => {
  t.deepEqual(gapsBetween(ranges([10, 10], [15, 10], [40, 10]), 100), ranges([0, 10], [25, 15], [50, 50]));
  t.deepEqual(gapsBetween([], 5), ranges([0, 5]));
  t.deepEqual(gapsBetween(ranges([0, 5]), 5), []);
});

test('the smallest gaps are closed first, within the budget, and no large ones', (t) => {
  const scattered = ranges([0, 10], [13, 7], [22, 8], [31, 9], [140, 10]);
  // gaps: 3, 2, 1, 100
  t.deepEqual(mergeSmallGaps(scattered, 50, 1000), ranges([0, 40], [140, 10]));
  t.deepEqual(mergeSmallGaps(scattered, 50, 3), ranges([0, 10], [13, 27], [140, 10]));
  t.deepEqual(mergeSmallGaps(scattered, 50, 0), scattered);
});
