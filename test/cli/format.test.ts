import { PassThrough } from 'node:stream';
import test from 'ava';
import { accountsIn } from '../../src/cli/commands/host/account.ts';
import { formatBytes, formatDuration, formatError, formatProgress, formatTable, shorten, wantsColor } from '../../src/cli/report/format.ts';
import { ConfigurationError, ShipError } from '../../src/errors.ts';

test('bytes have three digits at most, and never 1000 of a unit', (t) => {
  t.deepEqual(
    [0, 999, 1000, 1049, 99_949, 99_950, 999_499, 999_500, 12_345_678, 4.2e9, 5e15].map(formatBytes),
    ['0 B', '999 B', '1.0 kB', '1.0 kB', '99.9 kB', '100 kB', '999 kB', '1.0 MB', '12.3 MB', '4.2 GB', '5000 TB'],
  );
});

test('durations never show sixty seconds or minutes', (t) => {
  t.deepEqual(
    [0, 9_949, 9_950, 89_400, 89_500, 119_600, 3_599_600, 7_620_000].map(formatDuration),
    ['0.0 s', '9.9 s', '10 s', '89 s', '1 min 30 s', '2 min 00 s', '1 h 00 min', '2 h 07 min'],
  );
});

test('progress tells the rate and the time left once there is something to tell them from', (t) => {
  t.is(formatProgress(1e6, 1e7, 100), '1.0 MB of 10.0 MB');
  t.is(formatProgress(2e6, 1e7, 1000), '2.0 MB of 10.0 MB, 2.0 MB/s, 4.0 s left');
  t.is(formatProgress(2e6, undefined, 1000), '2.0 MB, 2.0 MB/s');
  t.is(formatProgress(1e7, 1e7, 1000), '10.0 MB of 10.0 MB, 10.0 MB/s');
});

test('tables align text left and numbers right', (t) => {
  t.is(formatTable(['name', 'size'], [['a', '1'], ['longer', '12']]), 'name    size\na          1\nlonger    12');
});

test('texts are cut at a width', (t) => {
  t.is(shorten('short', 5), 'short');
  t.is(shorten('longer', 5), 'lo...');
});

test('colours: a terminal, unless NO_COLOR says no; FORCE_COLOR says yes', (t) => {
  const stream = (isTTY: boolean) => Object.assign(new PassThrough(), { isTTY }) as unknown as NodeJS.WriteStream;
  t.true(wantsColor(stream(true), {}));
  t.false(wantsColor(stream(true), { NO_COLOR: '1' }));
  t.false(wantsColor(stream(false), {}));
  t.true(wantsColor(stream(false), { FORCE_COLOR: '1' }));
});

const plain = { color: false, verbose: false };
const failed = new ShipError({
  code: 'E_EXAMPLE',
  message: "'x' is wrong",
  place: { file: 'site.yaml', line: 3, column: 1 },
  output: 'first\nsecond',
  remedy: 'Do this:\nthen that.',
  cause: new Error('deep'),
});

test('an error: what, where, what the program said, what to do', (t) => {
  t.is(
    formatError(failed, plain),
    "error: 'x' is wrong (E_EXAMPLE)\n  at site.yaml:3:1\n  | first\n  | second\n  -> Do this:\n     then that.",
  );
  t.regex(formatError(failed, { ...plain, verbose: true }), /caused by Error: deep\n/);
  t.true(formatError(failed, { ...plain, color: true }).startsWith('\u001B[31merror:'));
});

test('several problems are told one by one and counted', (t) => {
  t.regex(formatError(new ConfigurationError([failed, failed]), plain), /\(E_EXAMPLE\)[^]*\(E_EXAMPLE\)[^]*\n2 problems$/);
  t.notRegex(formatError(new ConfigurationError([failed]), plain), /problem/);
});

test('anything else is a bug, with its stack', (t) => {
  t.regex(formatError(new TypeError('oops'), plain), /^bug: TypeError: oops\n {4}at .*format\.test\.ts/);
  t.regex(formatError('text', plain), /^bug: text\n.*please report/);
});

test('of what a tool prints about accounts only the addresses are kept', (t) => {
  const output = 'Enter new password: \nOK: 2 users\n ben@example.org \nanna@example.org\r\ntotal: 2\n';
  t.deepEqual(accountsIn(output), ['anna@example.org', 'ben@example.org']);
});
