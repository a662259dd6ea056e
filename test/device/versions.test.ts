import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import semver from 'semver';
import { upgradePaths } from '../../src/release/rollout-plan.ts';
import { staticBusybox } from './busybox.ts';

const execute = promisify(execFile);
const part = path.resolve(import.meta.dirname, '../../src/device/updater.d/rollout/versions.sh');

const versions = ['0.9.9', '1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-alpha.beta', '1.0.0-beta.2', '1.0.0-beta.11', '1.0.0-rc.1', '1.0.0', '1.2.0', '1.10.0', '2.0.0-0', '2.0.0', '2.0.1', '10.0.0'];
const ranges = ['>=1.2.0', '>=1.0.0 <2.0.0', '^1.0.0-alpha.1', '~1.2', '1.x || >=2.0.1', '<1.0.0', '1.0.0 - 1.10.0', '>1.0.0-beta.2 <=1.0.0-rc.1', '*', '2.0.0'];

for (const [shell, command] of [
  ['dash', () => Promise.resolve(['dash'])],
  ['busybox', async () => [await staticBusybox(), 'sh']],
] as const) {
  test(`${shell} and awk come to the same as node-semver`, async (t) => {
    const pairs = versions.flatMap((version) => ranges.map((range) => ({ version, range })));
    const script = pairs.map(({ version, range }) => {
      const tests = upgradePaths(range).map((comparators) => `satisfies ${version} ${comparators.map((one) => `'${one}'`).join(' ')}`);
      return `if ${tests.join(' || ')}; then echo yes; else echo no; fi`;
    });
    const [program = '', ...words] = await command();
    const { stdout } = await execute(program, [...words, '-c', `. ${part}\n${script.join('\n')}\n`]);
    const told = stdout.trimEnd().split('\n');
    const expected = pairs.map(({ version, range }) => (semver.satisfies(version, range, { includePrerelease: true }) ? 'yes' : 'no'));
    const wrong = pairs.filter((_, index) => told[index] !== expected[index]);
    t.deepEqual(wrong, []);
    t.is(told.length, pairs.length);
    t.true(expected.includes('yes') && expected.includes('no'));
  });
}
