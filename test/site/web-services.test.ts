import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createContext } from '../../src/context.ts';
import { loadDeployment } from '../../src/site/load.ts';
import { problemsOf, temporarySite } from './temporary-site.ts';

const page = await readFile(path.resolve(import.meta.dirname, '../../docs/recipes/web-services.md'), 'utf8');
const example = (name: string) => new RegExp(`\`${name}\`:\n\n\`\`\`\\w*\n([^]*?)\`\`\``).exec(page)?.[1] ?? '';
const recipe = example('recipe.yaml');
const compose = example('compose.yaml');

function files(changes: { readonly recipe?: string; readonly compose?: string } = {}): Record<string, string> {
  return {
    'pages/recipe.yaml': changes.recipe ?? recipe,
    'pages/compose.yaml': changes.compose ?? compose,
    'pages/web.Dockerfile': 'FROM scratch\n',
    'pages/content/index.html': '',
    'pages/templates/sorry.html': '<h1>Back soon</h1>\n',
    'prose-ship.yaml': 'schema: 1\nname: pages\nversion: 1.0.0\nrecipe: ./pages\ndomain: example.org\n',
  };
}

test('the example of docs/recipes/web-services.md works', async (t) => {
  const directory = await temporarySite(t, files());
  const { recipe: loaded } = await loadDeployment(createContext(), path.join(directory, 'prose-ship.yaml'));
  t.deepEqual(loaded.rollout.services, [
    { name: 'forum', component: 'forum', probes: [{ type: 'http', url: 'http://127.0.0.1:8090/', status: 200 }], maintenancePage: 'sorry.html' },
    { name: 'web', component: 'web', probes: [{ type: 'http', url: 'http://127.0.0.1:{port}/', status: 200 }], startFirst: { drainSeconds: 10 } },
  ]);
});

const pair = "'127.0.0.1:8081-8082:80'";
const long = (fields: string) => `[{${fields}}]`;

for (const [title, ports] of Object.entries({
  'the long syntax': long("target: 80, host_ip: 127.0.0.1, published: '8081-8082'"),
  'no port at all': '[]',
})) {
  test(`start-first takes ${title}`, async (t) => {
    const directory = await temporarySite(t, files({ compose: compose.replace(`[${pair}]`, ports) }));
    await t.notThrowsAsync(loadDeployment(createContext(), path.join(directory, 'prose-ship.yaml')));
  });
}

interface Case {
  readonly file: 'recipe' | 'compose';
  readonly from: string;
  readonly to: string;
  readonly code: string;
  readonly remedy: RegExp;
}

const refused: Record<string, Case> = {
  'one port for two containers': { file: 'compose', from: pair, to: "'127.0.0.1:8081:80'", code: 'E_START_FIRST_PORT', remedy: /8081-8082:80/ },
  'ports on every address': { file: 'compose', from: pair, to: "'8081-8082:80'", code: 'E_START_FIRST_PORT', remedy: /this host's own/ },
  'three ports': { file: 'compose', from: pair, to: "'127.0.0.1:8081-8083:80'", code: 'E_START_FIRST_PORT', remedy: /next to each other/ },
  'two pairs': { file: 'compose', from: pair, to: `${pair}, '127.0.0.1:8083-8084:81'`, code: 'E_START_FIRST_PORT', remedy: /docs\/recipes\/web-services\.md/ },
  'one port in the long syntax': { file: 'compose', from: `[${pair}]`, to: long("target: 80, host_ip: 127.0.0.1, published: '8081'"), code: 'E_START_FIRST_PORT', remedy: /8081-8082:80/ },
  "the host's network": { file: 'compose', from: `ports: [${pair}]`, to: 'network_mode: host', code: 'E_START_FIRST_PORT', remedy: /stop-first/ },
  'data that two would write': { file: 'compose', from: `ports: [${pair}]`, to: `ports: [${pair}]\n    volumes: ['posts:/posts']`, code: 'E_START_FIRST_DATA', remedy: /read-only/ },
  'a probe of a fixed port': { file: 'recipe', from: '{port}', to: '8081', code: 'E_PROBE_PORT', remedy: /\{port\}/ },
  'a probe of a port that is not http': { file: 'recipe', from: "{type: http, url: 'http://127.0.0.1:{port}/'}", to: '{type: tcp, port: 8081}', code: 'E_PROBE_PORT', remedy: /command probe/ },
  '{port} where there is one port': { file: 'recipe', from: '      order: start-first\n', to: '', code: 'E_PROBE_PORT', remedy: /Write the port/ },
  'a page that is not there': { file: 'recipe', from: 'maintenancePage: sorry.html', to: 'maintenancePage: sory.html', code: 'E_UNKNOWN_FILE', remedy: /^Did you mean 'sorry\.html'\?$/ },
  'a restart after a service below': { file: 'recipe', from: 'maintenancePage: sorry.html', to: 'restartAfter: [web]', code: 'E_UNKNOWN_SERVICE', remedy: /move it below/ },
  'a restart after a service that is none': { file: 'recipe', from: 'drainSeconds: 10', to: 'restartAfter: [forun]', code: 'E_UNKNOWN_SERVICE', remedy: /^Did you mean 'forum'\?$/ },
  'an order of another kind': { file: 'recipe', from: 'start-first', to: 'start-frist', code: 'E_BAD_VALUE', remedy: /^Did you mean 'start-first'\?$/ },
  'a range that is none': { file: 'recipe', from: 'rollout:\n', to: 'rollout:\n  upgradeFrom: newer\n', code: 'E_BAD_VERSION', remedy: /'>=1\.2\.0'/ },
};

async function problemsWith(t: ExecutionContext, { file, from, to }: Case) {
  const original = { recipe, compose }[file];
  t.true(original.includes(from), 'the example has changed');
  return problemsOf(t, files({ [file]: original.replace(from, to) }));
}

for (const [title, one] of Object.entries(refused)) {
  test(`refuses ${title}`, async (t) => {
    const problems = await problemsWith(t, one);
    t.deepEqual(problems.map(({ code }) => code), [one.code], JSON.stringify(problems));
    t.regex(problems[0]?.remedy ?? '', one.remedy);
    t.regex(problems[0]?.at ?? '', new RegExp(`^pages/${one.file}\\.yaml:\\d+:\\d+$`));
  });
}

test('data that is mounted read-only may be seen by two', async (t) => {
  const directory = await temporarySite(t, files({ compose: compose.replace(`ports: [${pair}]`, `ports: [${pair}]\n    volumes: ['posts:/posts:ro']`) }));
  await t.notThrowsAsync(loadDeployment(createContext(), path.join(directory, 'prose-ship.yaml')));
});
