import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createContext } from '../../../src/context.ts';
import { ConfigurationError } from '../../../src/errors.ts';
import type { Deployment } from '../../../src/site/model.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import { renderDeployment } from '../../../src/site/render.ts';
import { fixtures, temporarySite } from '../temporary-site.ts';

const site = 'schema: 1\nname: web\nversion: 1.0.0\nrecipe: ./static-web\ndomain: example.org\nvariables: {title: Hello}\n';
const references = new Map([['page', 'example/page:1'], ['status', 'example/status:1']]);

/** The fixture's recipe with these replacements in recipe.yaml and compose.yaml. */
async function load(t: ExecutionContext, recipe: readonly [from: string, to: string], compose: readonly [from: string, to: string] = ['', '']): Promise<Deployment> {
  const read = (name: string) => readFile(path.join(fixtures, 'static-web', name), 'utf8');
  const directory = await temporarySite(t, {
    'prose-ship.yaml': site,
    'static-web/recipe.yaml': (await read('recipe.yaml')).replace(...recipe),
    'static-web/compose.yaml': (await read('compose.yaml')).replace(...compose),
  });
  return loadDeployment(createContext(), path.join(directory, 'prose-ship.yaml'));
}

test('an http probe may ask for a field of JSON, a tls probe for a certificate; texts are templates', async (t) => {
  const { recipe } = await load(t, [
    "- {type: tcp, port: '{{ http_port }}'}",
    "- {type: http, url: 'http://127.0.0.1/', json: {path: checks.0.ok, equals: true}}\n        - {type: http, url: 'http://127.0.0.1/', json: {path: name, equals: '{{ title }}'}}\n        - {type: tls, port: 8443}\n        - {type: tls, port: '{{ http_port }}', starttls: smtp, name: 'mail.{{ site.domain }}', minimumDays: 0, trusted: true}",
  ]);
  t.deepEqual(recipe.rollout.services[1]?.probes.slice(1), [
    { type: 'http', url: 'http://127.0.0.1/', status: 200, json: { path: 'checks.0.ok', equals: 'true' } },
    { type: 'http', url: 'http://127.0.0.1/', status: 200, json: { path: 'name', equals: 'Hello' } },
    { type: 'tls', host: '127.0.0.1', port: 8443, starttls: 'none', name: 'example.org', minimumDays: 7, trusted: false },
    { type: 'tls', host: '127.0.0.1', port: 8080, starttls: 'smtp', name: 'mail.example.org', minimumDays: 0, trusted: true },
  ]);
});

const oneshot = ["component: status\n      probes: [{type: command, command: [wget, -qO-, 'http://127.0.0.1:8080/']}]", 'component: status\n      kind: oneshot'] as const;

test('a one-shot service stays down after its end; only those that run for good must restart', async (t) => {
  const { rollout } = (await load(t, ['', ''])).recipe;
  t.false(rollout.services.some((service) => 'kind' in service), 'what runs for good says nothing, as in older releases');
  for (const restart of ['', "    restart: 'no'\n", '    restart: on-failure:3\n']) {
    const deployment = await load(t, oneshot, ["| image }}\n    restart: always\n    volumes: [", `| image }}\n${restart}    volumes: [`]);
    t.is(deployment.recipe.rollout.services[0]?.kind, 'oneshot');
    await t.notThrowsAsync(renderDeployment(deployment, references));
  }
});

test('a one-shot service that would run again and again is refused', async (t) => {
  const error = await t.throwsAsync<ConfigurationError>(load(t, oneshot), { instanceOf: ConfigurationError });
  t.like(error.problems[0], { code: 'E_RESTART', message: "The one-shot service 'status' would run again whenever it ends" });
  t.regex(error.problems[0]?.remedy ?? '', /restart: 'no'/);
  t.regex(error.problems[0]?.place?.file ?? '', /compose\.yaml$/);
});
