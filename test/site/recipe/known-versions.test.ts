import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { createContext } from '../../../src/context.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import { fixtures, problemsOf, temporarySite } from '../temporary-site.ts';

const site = 'schema: 1\nname: web\nversion: 1.0.0\nrecipe: ./static-web\ndomain: example.org\nvariables: {title: Hello}\n';
const known = `
knownVersions:
  - {name: first, components: {page: 1.28.0, status: '2024-09'}, dataVersion: 7}
  - {name: second, components: {page: 1.29.0, status: '2024-11'}}
`;

async function recipe(extra: string, change = (text: string) => text): Promise<string> {
  return change(await readFile(path.join(fixtures, 'static-web/recipe.yaml'), 'utf8')) + extra;
}

async function load(t: Parameters<typeof temporarySite>[0], files: Readonly<Record<string, string>>) {
  return loadDeployment(createContext(), path.join(await temporarySite(t, files), 'prose-ship.yaml'));
}

test('without a choice the newest set is built, with another the data version is its own', async (t) => {
  const files = { 'static-web/recipe.yaml': await recipe(known) };
  const newest = await load(t, { ...files, 'prose-ship.yaml': site });
  t.deepEqual(newest.recipe.components.map(({ version }) => version), ['1.29.0', '2024-11']);
  t.is(newest.recipe.data.version, 1);
  const older = await load(t, { ...files, 'prose-ship.yaml': `${site}components: {page: {version: 1.28.0}, status: {version: 2024-09}}\n` });
  t.deepEqual(older.recipe.components.map((one) => one.version), ['1.28.0', '2024-09']);
  t.is(older.recipe.data.version, 7);
});

test('a mixture of versions is refused with the nearest set and all that are known', async (t) => {
  const text = `${site}components: {page: {version: 1.28.0}}\n`;
  const [problem, ...others] = await problemsOf(t, { 'prose-ship.yaml': text, 'static-web/recipe.yaml': await recipe(known) });
  t.deepEqual(others, []);
  t.is(problem?.code, 'E_UNKNOWN_VERSIONS');
  t.is(problem?.at, 'prose-ship.yaml:7:1');
  t.regex(problem?.message ?? '', /fit together: page 1\.28\.0, status 2024-11$/);
  t.regex(problem?.remedy ?? '', /Nearest is 'second': page 1\.29\.0\. Known: first \(page 1\.28\.0, status 2024-09\); second/);
});

test('a recipe whose own versions are not the newest set, or whose sets are not whole, is refused', async (t) => {
  const stale = await problemsOf(t, { 'prose-ship.yaml': site, 'static-web/recipe.yaml': await recipe(known, (text) => text.replace('version: 1.29.0', 'version: 1.30.0')) });
  t.deepEqual(stale.map(({ code, remedy }) => [code, remedy]), [['E_UNKNOWN_VERSIONS', 'Write 1.29.0, or add a set to `knownVersions`.']]);
  const partial = await problemsOf(t, { 'prose-ship.yaml': site, 'static-web/recipe.yaml': await recipe('knownVersions: [{name: one, components: {page: 1.29.0, pge: 1.0.0}}]\n') });
  t.true(partial.some(({ code, remedy }) => code === 'E_UNKNOWN_COMPONENT' && /Did you mean 'page'\?/.test(remedy)));
  t.true(partial.some(({ code, message }) => code === 'E_MISSING_VALUE' && /no version for status/.test(message)));
});

test('a component without a source needs one of the site', async (t) => {
  const without = await recipe('', (text) => text.replace('    source: content\n', ''));
  const [problem, ...others] = await problemsOf(t, { 'prose-ship.yaml': site, 'static-web/recipe.yaml': without });
  t.deepEqual(others, []);
  t.is(problem?.code, 'E_MISSING_SOURCE');
  t.regex(problem?.message ?? '', /'page'/);
  t.regex(problem?.remedy ?? '', /components: \{page: \{source: /);
  const given = await load(t, { 'prose-ship.yaml': `${site}components: {page: {source: static-web/content}}\n`, 'static-web/recipe.yaml': without });
  t.is(given.recipe.components[0]?.source.kind, 'local');
});

for (const [versions, code] of [
  [{ server: '0.3.24', api: '0.19.2', dashboard: '0.3.2', web: '0.14.0' }, undefined],
  [{ server: '0.5.0' }, 'E_UNKNOWN_VERSIONS'],
] as const) {
  test(`the recipe prose-pod with ${JSON.stringify(versions)}: ${code ?? 'good'}`, async (t) => {
    const names = ['server', 'api', 'dashboard', 'web'] as const;
    const lines = names.map((name) => `  ${name}: {source: static-web/content${name in versions ? `, version: ${(versions as Record<string, string>)[name]}` : ''}}\n`);
    const text = `${site.replace('./static-web', 'prose-pod').replace('title: Hello', 'company_name: Example')}components:\n${lines.join('')}`;
    if (code) {
      t.deepEqual((await problemsOf(t, { 'prose-ship.yaml': text })).map((problem) => problem.code), [code]);
      return;
    }
    const { recipe: loaded } = await load(t, { 'prose-ship.yaml': text });
    t.is(loaded.data.version, 1);
    t.is(loaded.components[0]?.args['SERVER_KIND'], 'prosody');
  });
}
