import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createContext } from '../../../src/context.ts';
import type { ShipEvent } from '../../../src/events.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import { problemsOf, staticWebSite, temporarySite } from '../temporary-site.ts';

/** Sets of versions that are known to fit. */
const sets = {
  old: { server: '0.3.22', api: '0.17.0', dashboard: '0.1.1', web: '0.11.0' },
  before020: { server: '0.3.24', api: '0.19.2', dashboard: '0.3.2', web: '0.14.0' },
  newest: { server: '0.4.3', api: '0.20.0', dashboard: '0.3.2', web: '0.14.1' },
};

function site(versions: Readonly<Record<string, string>>, variables = ''): Record<string, string> {
  const components = Object.entries(versions).map(([name, version]) => `  ${name}: {source: static-web/content, version: ${version}}\n`);
  const text = staticWebSite.replace('./static-web', 'prose-pod').replace('title: Hello', `company_name: Example${variables}`);
  return { 'prose-ship.yaml': `${text}components:\n${components.join('')}` };
}

async function load(t: ExecutionContext, files: Readonly<Record<string, string>>) {
  const warnings: string[] = [];
  const emit = (event: ShipEvent) => {
    if (event.type === 'log' && event.level === 'warning') warnings.push(event.message);
  };
  const { recipe } = await loadDeployment(createContext({ emit }), path.join(await temporarySite(t, files), 'prose-ship.yaml'));
  return { recipe, warnings };
}

test('an api below 0.20 is told of what it cannot read, and its data has a version of its own', async (t) => {
  const older = await load(t, site(sets.before020));
  t.is(older.warnings.length, 1);
  t.regex(older.warnings[0]!, /The api 0\.19\.2 cannot read the database of an api from 0\.20 on/);
  t.regex(older.warnings[0]!, /restore a backup from before/);
  t.is(older.recipe.data.version, 1);
  const newest = await load(t, site(sets.newest));
  t.deepEqual([newest.warnings, newest.recipe.data.version], [[], 2]);
});

test('what an old api would not start with is refused', async (t) => {
  const [problem] = await problemsOf(t, site(sets.old, ', response_timeout: PT30S'));
  t.like(problem, { code: 'E_RULE', message: 'The API 0.17.0 does not know `response_timeout` and `retry_interval` as they are written here, and would not start' });
  t.is((await load(t, site(sets.old))).recipe.data.version, 1);
  t.is((await load(t, site(sets.before020, ', retry_interval: PT10S'))).recipe.data.version, 1);
});

test('the domain is the name of the data, and cannot follow to another one', async (t) => {
  const { data } = (await load(t, site(sets.newest))).recipe;
  t.deepEqual(data.names, { domain: 'example.org' });
  t.is(data.rename, undefined);
  t.regex(data.renameImpossible ?? '', /Prose fixes the domain of a server at its first start/);
});
