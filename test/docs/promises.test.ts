import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { planScenarios, titleOf } from '../faults/matrix/scenarios.ts';
import { isNamedIn, missingTests, namedTest, repository, type NamedTest } from './named-tests.ts';

function proofsOf(page: string): NamedTest[] {
  return [...page.matchAll(/^- (test\/.+)$/gm)].flatMap(([, text = '']) => namedTest(text) ?? []);
}

test('every test that the promises name is there', async (t) => {
  const proofs = proofsOf(await readFile(path.join(repository, 'docs/internals/promises.md'), 'utf8'));
  t.true(proofs.length > 20);
  t.deepEqual(await missingTests(proofs), []);
});

test('every sentence of the promises has a proof', async (t) => {
  const page = await readFile(path.join(repository, 'docs/internals/promises.md'), 'utf8');
  for (const part of page.split(/^## /m).slice(1)) t.true(proofsOf(part).length > 0, part.split('\n')[0]);
});

test('a title that is not there is noticed', (t) => {
  t.false(isNamedIn("test('one', () => {});", { file: 'test/x.test.ts', title: 'two' }));
  t.false(isNamedIn("['link cut', 'stopped']", { file: 'test/x.test.ts', title: "overlay2: link cut at 'started'" }));
  t.true(isNamedIn("['link cut', 'started']", { file: 'test/x.test.ts', title: "overlay2: link cut at 'started'" }));
});

test('the kill matrix has every state, fault and store', (t) => {
  const scenarios = planScenarios(['overlay2', 'containerd']);
  t.is(new Set(scenarios.map(titleOf)).size, scenarios.length);
  for (const state of ['uploaded', 'verified', 'loaded', 'synced', 'stopped', 'snapshotted', 'started', 'gated', 'committed', 'rolled-back']) {
    const found = scenarios.filter(({ point }) => point.name === state);
    t.is(found.length, 16, state);
  }
});
