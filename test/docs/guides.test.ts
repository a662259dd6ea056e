import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { missingTests, namedTest, repository } from './named-tests.ts';

const page = await readFile(path.join(repository, 'docs/recipes/guides.md'), 'utf8');

/** What stands in a proof's place: why there is none. */
const reason = /^(?:not yet|by hand|no test|left out): \S.*$/;

interface Step {
  readonly step: string;
  readonly proofs: readonly string[];
}

function stepsOf(part: string): Step[] {
  return [...part.matchAll(/^\| (?!step \|)(.+?) \| (?:(.*?) )?\| (.+) \|$/gm)].map(([, step = '', , proofs = '']) => ({ step, proofs: proofs.split('<br>') }));
}

/** Steps that neither name a test nor say why there is none. */
const unproven = (steps: readonly Step[]) => steps.filter(({ proofs }) => !proofs.every((proof) => namedTest(proof) !== undefined || reason.test(proof)));

const guides = page.split(/^## /m).slice(1);

test('every line of every guide is read', (t) => {
  t.is(guides.length, 5);
  for (const guide of guides) {
    const lines = guide.split('\n').filter((line) => line.startsWith('| ')).length - 1;
    t.is(stepsOf(guide).length, lines, guide.split('\n')[0]);
    t.true(lines > 15, guide.split('\n')[0]);
  }
});

test('every step has tests, or says why it has none', (t) => {
  t.deepEqual(unproven(guides.flatMap(stepsOf)), []);
});

test('every test that the guides name is there', async (t) => {
  const named = guides.flatMap(stepsOf).flatMap(({ proofs }) => proofs.flatMap((proof) => namedTest(proof) ?? []));
  t.true(named.length > 100);
  t.deepEqual(await missingTests(named), []);
});

test('a step without a proof, and a test that is not there, are noticed', async (t) => {
  const table = '| step | now | proof |\n|---|---|---|\n| one | `x` | test/docs/guides.test.ts: no such title of a test |\n| two | | soon |\n| three | | by hand: yours |\n';
  const steps = stepsOf(table);
  t.deepEqual(unproven(steps).map(({ step }) => step), ['two']);
  t.deepEqual(await missingTests([{ file: 'test/docs/none.test.ts', title: 'one' }, { file: 'test/docs/links.test.ts', title: 'what leads elsewhere' }, { file: 'test/docs/links.test.ts', title: 'what leads nowhere is noticed' }]), [
    { file: 'test/docs/none.test.ts', title: 'one' },
    { file: 'test/docs/links.test.ts', title: 'what leads elsewhere' },
  ]);
});
