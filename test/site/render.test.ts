import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { parse } from 'yaml';
import { createContext } from '../../src/context.ts';
import { loadDeployment } from '../../src/site/load.ts';
import { renderDeployment } from '../../src/site/render.ts';
import { fixtures, problemsOf, temporarySite, staticWebSite as site } from './temporary-site.ts';

const references = new Map([
  ['page', 'example/page:1.29.0-0123456789ab'],
  ['status', 'registry.example.org:5000/team/status:2024-11-0123456789ab'],
]);

/** The problems when `from` in a file of the fixture recipe is replaced by `to`. */
async function spoil(t: ExecutionContext, file: string, from: string, to: string, siteText = site) {
  const original = await readFile(path.join(fixtures, 'static-web', file), 'utf8');
  t.true(original.includes(from), 'the fixture has changed');
  return problemsOf(t, { 'prose-ship.yaml': siteText, [`static-web/${file}`]: original.replace(from, to) });
}

interface Case {
  readonly file?: string;
  readonly from: string;
  readonly to: string;
  readonly code: string;
  readonly at: string;
  readonly remedy: RegExp;
}

const conf = 'templates/nginx.conf';
const cases: Record<string, Case> = {
  'an undefined variable': { file: conf, from: '{{ workers }}', to: '{{ wokers }}', code: 'E_UNDEFINED_VARIABLE', at: '1:21', remedy: /^Did you mean 'workers'\?$/ },
  'an undefined variable in a condition': { file: conf, from: 'if compress', to: 'if compres', code: 'E_UNDEFINED_VARIABLE', at: '3:14', remedy: /'compress'/ },
  'an undefined member of site': { file: conf, from: 'site.domain', to: 'site.domian', code: 'E_UNDEFINED_VARIABLE', at: '4:38', remedy: /^Did you mean 'site\.domain'\?$/ },
  'an undefined filter': { file: conf, from: '| join', to: '| joyn', code: 'E_UNDEFINED_FILTER', at: '4:53', remedy: /^Did you mean 'join'\?$/ },
  'a filter of the Compose template elsewhere': { file: conf, from: '{{ workers }}', to: "{{ 'page' | image }}", code: 'E_UNDEFINED_FILTER', at: '1:18', remedy: /.+/ },
  'the time of rendering': { file: conf, from: '{{ workers }}', to: "{{ 'now' | date: '%s' }}", code: 'E_UNDEFINED_FILTER', at: '1:18', remedy: /.+/ },
  'a list printed as it is': { file: conf, from: "{{ aliases | join: ' ' }}", to: '{{ aliases }}', code: 'E_TEMPLATE', at: '4:53', remedy: /join/ },
  'an open tag': { file: conf, from: '{% endif %}', to: '', code: 'E_TEMPLATE', at: '3:8', remedy: /Liquid/ },
  'an unknown file': { from: "'nginx.conf' | file", to: "'ngnx.conf' | file", code: 'E_UNKNOWN_FILE', at: '11:9', remedy: /^Did you mean 'nginx\.conf'\?$/ },
  'an unknown component': { from: "'page' | image", to: "'pge' | image", code: 'E_UNKNOWN_COMPONENT', at: '4:12', remedy: /^Did you mean 'page'\?$/ },
  'an unknown secret': { from: "{{ 'basic_auth' | secret_file }}", to: "x\n      {%- endif %}{% if title %}\n      - {{ 'basic_aut' | secret_file }}", code: 'E_UNKNOWN_VARIABLE', at: '15:9', remedy: /Did you mean 'basic_auth'\?/ },
  'a secret that the site does not give': { from: '{%- if basic_auth %}', to: '{%- if title %}', code: 'E_MISSING_VALUE', at: '13:9', remedy: /\{% if basic_auth %\}/ },
  'an image that is not pinned': { from: "{{ 'page' | image }}", to: 'nginx:latest', code: 'E_IMAGE_NOT_PINNED', at: '4:12', remedy: /\{\{ 'page' \| image \}\}/ },
  'the image of another component': { from: "{{ 'page' | image }}", to: "{{ 'status' | image }}", code: 'E_IMAGE_NOT_PINNED', at: '4:12', remedy: /'page'/ },
  'a build on the host': { from: 'restart: always\n    ports', to: 'build: .\n    restart: always\n    ports', code: 'E_COMPOSE_BUILD', at: '5:5', remedy: /beforehand/ },
  'a fixed container name': { from: 'restart: always\n    ports', to: 'container_name: x\n    restart: always\n    ports', code: 'E_COMPOSE_CONTAINER_NAME', at: '5:5', remedy: /two containers/ },
  'a service that would stay down': { from: 'restart: always\n    ports', to: 'ports', code: 'E_NO_RESTART', at: '3:3', remedy: /restart: unless-stopped/ },
  'restart: no': { from: 'restart: always\n    ports', to: 'restart: "no"\n    ports', code: 'E_NO_RESTART', at: '5:5', remedy: /unless-stopped/ },
  'a service that no rollout starts': { from: '  status:', to: '  extra: {image: x, restart: always}\n  status:', code: 'E_UNKNOWN_SERVICE', at: '15:3', remedy: /Add it there/ },
  'a relative mount': { from: '/etc/nginx/nginx.conf:ro\n      {%-', to: '/etc/nginx/nginx.conf:ro\n      - ./data:/data\n      {%-', code: 'E_RELATIVE_MOUNT', at: '12:9', remedy: /absolute path/ },
  'another project name': { from: '{{ site.name | json }}', to: 'website', code: 'E_COMPOSE_NAME', at: '1:1', remedy: /name: \{\{ site\.name \| json \}\}/ },
  'a value of the environment': { from: '$$5', to: '${PRICE}', code: 'E_COMPOSE_INTERPOLATION', at: '9:14', remedy: /\$\$/ },
  'what is no YAML': { from: '    restart: always\n    ports', to: '   restart: always\n    ports', code: 'E_YAML', at: '5:1', remedy: /json/ },
};

for (const [title, { file = 'compose.yaml', from, to, code, at, remedy }] of Object.entries(cases)) {
  test(`refuses ${title}`, async (t) => {
    const problems = await spoil(t, file, from, to);
    const found = problems.find((problem) => problem.code === code);
    t.truthy(found, JSON.stringify(problems));
    t.is(found?.at, `static-web/${file}:${at}`);
    t.regex(found?.remedy ?? '', remedy);
  });
}

test('refuses a service and a volume that the Compose file does not have', async (t) => {
  const recipe = await readFile(path.join(fixtures, 'static-web/recipe.yaml'), 'utf8');
  const problems = await problemsOf(t, {
    'prose-ship.yaml': site,
    'static-web/recipe.yaml': `${recipe.replace('- name: page', '- name: pages')}data: {version: 1, volumes: [data]}\n`,
  });
  t.deepEqual(problems.map(({ code, remedy }) => [code, remedy]), [
    ['E_UNKNOWN_VOLUME', 'Its volumes: nothing.'],
    ['E_UNKNOWN_SERVICE', "Did you mean 'page'?"],
    ['E_UNKNOWN_SERVICE', 'Add it there: the updater starts what is listed there, in that order.'],
  ]);
});

for (const [how, tag] of Object.entries({
  printed: '{{ basic_auth }}',
  'through json': '{{ basic_auth | json }}',
  'through append': "{{ 'x' | append: basic_auth }}",
  'through capture': '{% capture copy %}{{ basic_auth }}{% endcapture %}{{ copy }}',
  'through lua': '{{ basic_auth | lua }}',
})) {
  test(`never prints a secret: ${how}`, async (t) => {
    const problems = await spoil(t, 'templates/status.conf', '{{ color }}', tag, `${site}secrets: {basic_auth: {env: BASIC_AUTH}}\n`);
    const [problem] = problems;
    t.is(problem?.code, 'E_SECRET_IN_TEMPLATE');
    t.regex(problem?.at ?? '', /^static-web\/templates\/status\.conf:1:\d+$/);
    t.regex(problem?.remedy ?? '', /\{\{ 'basic_auth' \| secret_file \}\}/);
  });
}

test('values keep their meaning in YAML and are not interpolated by Compose', async (t) => {
  const directory = await temporarySite(t, { 'prose-ship.yaml': site.replace('Hello', `'Costs $5: "cheap" \${HOME} #1'`) });
  const deployment = await loadDeployment(createContext(), path.join(directory, 'prose-ship.yaml'));
  const { compose } = await renderDeployment(deployment, references);
  const { services } = parse(compose) as { services: { page: { environment: { TITLE: string } } } };
  t.is(services.page.environment.TITLE, 'Costs $$5: "cheap" $${HOME} #1');
});

test('a file is named by its name, mode, owner and content', async (t) => {
  const render = async (files: Record<string, string>) => {
    const directory = await temporarySite(t, { 'prose-ship.yaml': site, ...files });
    return renderDeployment(await loadDeployment(createContext(), path.join(directory, 'prose-ship.yaml')), references);
  };
  const recipe = await readFile(path.join(fixtures, 'static-web/recipe.yaml'), 'utf8');
  const first = await render({});
  const again = await render({ 'prose-ship.yaml': site.replace('version: 1.0.0', 'version: 2.0.0') });
  t.deepEqual(again, first, 'a new version alone changes nothing on the host');
  const other = await render({ 'static-web/recipe.yaml': recipe.replace("mode: '0600'", "mode: '0640'") });
  t.is(other.files[0]?.hash, first.files[0]?.hash);
  t.not(other.files[1]?.hash, first.files[1]?.hash);
  t.is(first.files[1]?.mode, 0o600);
  t.regex(first.files[1]?.hash ?? '', /^[0-9a-f]{12}$/);
  t.true(first.compose.includes(`/var/lib/prose-ship/files/${first.files[1]?.hash}/status.conf:`));
});

test('mounted secrets are named, their values are nowhere', async (t) => {
  const directory = await temporarySite(t, { 'prose-ship.yaml': `${site}secrets: {basic_auth: {env: BASIC_AUTH}, npm_token: {env: T}}\n` });
  const context = createContext({ environment: { BASIC_AUTH: 'hunter2-hunter2', T: 'token-token' } });
  const rendered = await renderDeployment(await loadDeployment(context, path.join(directory, 'prose-ship.yaml')), references);
  t.deepEqual(rendered.secrets, ['basic_auth']);
  t.true(rendered.compose.includes('- /var/lib/prose-ship/secrets/basic_auth:/run/secrets/basic_auth:ro'));
  t.false(JSON.stringify(rendered).includes('hunter2'));
});
