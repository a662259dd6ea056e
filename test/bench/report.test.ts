import test from 'ava';
import { asRatio, isMet, spread, type Bench, type BenchResult } from '../../bench/bench.ts';
import { formatReport, replacePart } from '../../bench/report.ts';

const target = { name: 'ours / theirs', actual: 0.2, limit: 0.2, format: asRatio };
const bench: Bench = { name: 'sample', title: 'a sample', run: () => Promise.reject(new Error('not run')) };
const result: BenchResult = { setup: ['Nothing is measured.'], head: ['what', 'median'], rows: [['ours', '1 s']], targets: [target] };

test('the spread of an odd and of an even number of runs', (t) => {
  t.deepEqual(spread([10, 9, 100]), { min: 9, median: 10, max: 100 });
  t.deepEqual(spread([4, 1, 2, 10]), { min: 1, median: 3, max: 10 });
});

test('a target is missed only beyond its limit, and by what could not be measured', (t) => {
  t.true(isMet(target));
  t.false(isMet({ ...target, actual: 0.2001 }));
  t.false(isMet({ ...target, actual: Number.NaN }));
  t.false(isMet({ ...target, actual: spread([]).median }));
});

test('the report names the machine, the command, every target and every row', (t) => {
  const text = formatReport([{ bench, result: { ...result, targets: [target, { ...target, actual: 0.3 }] } }], ['2 cores'], 'node bench/main.ts sample');
  t.regex(text, /^Written by `node bench\/main\.ts sample`/m);
  t.regex(text, /^- 2 cores$/m);
  t.regex(text, /^\| ours \/ theirs \| 0\.200 {4}\| 0\.200 {3}\| met {8}\|$/m);
  t.regex(text, /^\| ours \/ theirs \| 0\.300 {4}\| 0\.200 {3}\| \*\*missed\*\* \|$/m);
  t.regex(text, /^## sample: a sample\n\n- Nothing is measured\.\n\n\| what \| median \|\n\|-+\|-+\|\n\| ours \| 1 s {4}\|$/m);
});

test('a report replaces its own part of the results and no other', (t) => {
  const first = formatReport([{ bench, result }], ['2 cores'], 'one');
  const cards = formatReport([{ bench, result }], ['2 cores'], 'two', 'Cards');
  const both = replacePart(replacePart('', first), cards);
  t.is(both, `${first.trim()}\n\n${cards}`);
  t.is(replacePart(both, first), both);
  const again = formatReport([{ bench, result }], ['4 cores'], 'two', 'Cards');
  t.is(replacePart(both, again), `${first.trim()}\n\n${again}`);
  t.is(replacePart(both, first.replace('2 cores', '8 cores')), `${first.replace('2 cores', '8 cores').trim()}\n\n${cards}`);
});
