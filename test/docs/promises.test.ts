import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { planScenarios, titleOf } from '../faults/scenarios.ts';

const repository = path.resolve(import.meta.dirname, '../..');

interface Proof {
  readonly file: string;
  readonly title: string;
}

function proofsOf(page: string): Proof[] {
  return [...page.matchAll(/^- (test\/\S+): (.+)$/gm)].map(([, file = '', title = '']) => ({ file, title }));
}

/** Titles of scenarios are made of data; all others stand in the file as they are. */
function names(source: string, { file, title }: Proof): boolean {
  const scenario = planScenarios(['overlay2', 'containerd']).find((one) => titleOf(one) === title);
  if (!scenario) return [`'${title}'`, `\`${title}\``, `"${title}"`].some((quoted) => source.includes(quoted));
  return file.endsWith('/matrix.faults.ts') || source.includes(`['${scenario.fault}', '${scenario.point.name}']`);
}

test('every test that the promises name is there', async (t) => {
  const proofs = proofsOf(await readFile(path.join(repository, 'docs/internals/promises.md'), 'utf8'));
  t.true(proofs.length > 20);
  for (const proof of proofs) {
    const source = await readFile(path.join(repository, proof.file), 'utf8').catch(() => '');
    t.true(names(source.replaceAll(String.raw`\'`, "'").replaceAll('\\`', '`'), proof), `${proof.file}: ${proof.title}`);
  }
});

test('every sentence of the promises has a proof', async (t) => {
  const page = await readFile(path.join(repository, 'docs/internals/promises.md'), 'utf8');
  for (const part of page.split(/^## /m).slice(1)) t.true(proofsOf(part).length > 0, part.split('\n')[0]);
});

test('a title that is not there is noticed', (t) => {
  t.false(names("test('one', () => {});", { file: 'test/x.test.ts', title: 'two' }));
  t.false(names("['link cut', 'stopped']", { file: 'test/x.test.ts', title: "overlay2: link cut at 'started'" }));
  t.true(names("['link cut', 'started']", { file: 'test/x.test.ts', title: "overlay2: link cut at 'started'" }));
});

test('the kill matrix has every state, fault and store', (t) => {
  const scenarios = planScenarios(['overlay2', 'containerd']);
  t.is(new Set(scenarios.map(titleOf)).size, scenarios.length);
  for (const state of ['uploaded', 'verified', 'loaded', 'synced', 'stopped', 'snapshotted', 'started', 'gated', 'committed', 'rolled-back']) {
    const found = scenarios.filter(({ point }) => point.name === state);
    t.is(found.length, 16, state);
  }
});
