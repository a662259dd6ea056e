import test from 'ava';
import type { Recipe } from '../../../src/site/model.ts';
import { renderDeployment } from '../../../src/site/render.ts';
import { loadParts, placeIn, problemsOf, type RecipeParts } from '../../support/site/recipe-site.ts';

const parts: RecipeParts = {
  components: '  web: {image: example/web, version: 1.0.0, source: content, dockerfile: Dockerfile, when: web}\n',
  variables: '  web: {type: boolean, description: Whether there are pages., default: false}\n  port: {type: port, description: Port., default: 5222}\n',
  services: '    - {name: page, component: web, when: web, maintenancePage: sorry.html}\n    - {name: bot, component: server, restartAfter: [server, page], probes: [{type: tcp, port: 1, when: web}, {type: tcp, port: 2}, {type: tcp, port: 3, when: false}]}\n',
  top: `files:
  sorry.html: {template: sorry.html, when: web}
  always.conf: {template: always.conf}
data: {version: 1, volumes: [data, {name: pages, when: web}]}
os:
  packages: [{name: nginx, when: [web, rooms]}, curl, {name: dnsmasq, when: not web}]
  ports: [{port: 80, when: web}, {port: '{{ port }}'}, {port: 443, when: false}]
`,
  compose: `{% if web %}  page: {image: {{ 'web' | image }}, restart: always}\n{% endif %}  bot: {image: {{ 'server' | image }}, restart: always}\n`,
  files: { 'sorry.html': 'sorry', 'always.conf': 'x' },
};
const os = "os: {authorizedKeys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me']}\n";

function portsOfProbes({ rollout: { services } }: Recipe): (number | undefined)[][] {
  return services.map(({ probes }) => probes.map((probe) => ('port' in probe ? probe.port : undefined)));
}

test('what is not wanted is not there', async (t) => {
  const { recipe, site } = await loadParts(t, { ...parts, site: os });
  t.deepEqual(recipe.components.map(({ name }) => name), ['server']);
  t.deepEqual(recipe.files.map(({ name }) => name), ['always.conf']);
  t.deepEqual(recipe.rollout.services.map(({ name, restartAfter }) => [name, restartAfter]), [['server', undefined], ['bot', ['server']]]);
  t.deepEqual(portsOfProbes(recipe), [[], [2]]);
  t.deepEqual(recipe.data.volumes, ['data']);
  t.deepEqual(recipe.packages, ['curl', 'dnsmasq']);
  t.deepEqual(site.os?.packages, ['curl', 'dnsmasq']);
  t.deepEqual(site.os?.ports, [{ port: 5222, protocol: 'tcp' }]);
});

test('what is wanted is there as if it had no condition', async (t) => {
  const top = (parts.top ?? '').replace(', {name: pages, when: web}', '');
  const deployment = await loadParts(t, { ...parts, top, site: `${os}variables: {web: true}\n` });
  const { recipe, site } = deployment;
  t.deepEqual(recipe.components.map(({ name }) => name), ['server', 'web']);
  t.deepEqual(recipe.rollout.services.map(({ name, restartAfter }) => [name, restartAfter]), [['server', undefined], ['page', undefined], ['bot', ['server', 'page']]]);
  t.deepEqual(portsOfProbes(recipe), [[], [], [1, 2]]);
  t.deepEqual(recipe.packages, ['curl', 'nginx']);
  t.deepEqual(site.os?.ports.map(({ port }) => port), [80, 5222]);
  const { files } = await renderDeployment(deployment, new Map([['server', 'a:1'], ['web', 'b:1']]));
  t.deepEqual(files.map(({ name }) => name), ['sorry.html', 'always.conf']);
});

test('places stay right behind an entry that is not wanted', async (t) => {
  const spoilt = { ...parts, site: os, top: (parts.top ?? '').replace("'{{ port }}'", "'{{ prt }}'") };
  const [problem, ...more] = await problemsOf(t, spoilt);
  t.deepEqual(more, []);
  t.like(problem, { code: 'E_UNDEFINED_VARIABLE', at: placeIn(spoilt, 'own/recipe.yaml', "'{{ prt }}'"), remedy: "Did you mean 'port'?" });
});

const conditions: Record<string, [condition: string, holds: boolean]> = {
  'a variable': ['rooms', true],
  'its opposite': ['not rooms', false],
  'a comparison': ['port == 5222', true],
  'two of which one holds': ['rooms and web', false],
  'one of two': ['web or rooms', true],
  'a list of which one fails': ['[rooms, web]', false],
  'a list that holds': ['[rooms, not web]', true],
  'a text in a list': ["[rooms, 'site.domain contains \"example\"']", true],
  'an address': ["'\"192.0.2.1\" | is_address'", true],
  'no address': ["'site.domain | is_address'", false],
  'no address, turned round': ["'site.domain | is_address | not'", true],
  'a text that ends so': ["'site.domain | ends_with: \".org\"'", true],
  'a text that only holds it': ["'site.domain | ends_with: \"example\"'", false],
  'a version in a range': ["'components.server.version | semver: \">=2 <3\"'", true],
  'a version outside': ["'components.server.version | semver: \"^1.0.0\"'", false],
  'a secret that is not given': ['token', false],
  'always': ['true', true],
  'never': ['false', false],
};
const withSecret: RecipeParts = { ...parts, variables: `${parts.variables ?? ''}  token: {type: secret, description: Token.}\n` };

for (const [title, [condition, holds]] of Object.entries(conditions)) {
  test(`evaluates ${title}`, async (t) => {
    const { recipe } = await loadParts(t, { ...withSecret, top: `steps:\n  - {title: it, text: is so, when: ${condition}}\n`, services: (parts.services ?? '').replace(', maintenancePage: sorry.html', '') });
    t.is(recipe.steps !== undefined, holds);
  });
}

test('a secret that is given is true, and is not asked for its value', async (t) => {
  const { recipe } = await loadParts(t, { ...withSecret, site: 'secrets: {token: {env: TOKEN}}\n', top: `${parts.top ?? ''}steps:\n  - {title: it, text: is so, when: token}\n` });
  t.is(recipe.steps?.length, 1);
});

const mistakes: Record<string, [condition: string, code: string, message: RegExp, remedy: RegExp]> = {
  'an undefined variable': ['romms', 'E_UNDEFINED_VARIABLE', /'romms'/, /Did you mean 'rooms'\?/],
  'an undefined filter': ["'site.domain | is_adress'", 'E_UNDEFINED_FILTER', /'is_adress'/, /Did you mean 'is_address'\?/],
  'a missing right side': ['rooms and', 'E_CONDITION', /'rooms and' is not a condition: an operator has nothing/, /behind `\{% if`/],
  'a missing operator': ['rooms web', 'E_CONDITION', /operator is missing/, /behind `\{% if`/],
  'an open quote': ["'site.domain == \"example'", 'E_CONDITION', /a quote is not closed/, /behind `\{% if`/],
  'one equals sign': ["'port = 5222'", 'E_TEMPLATE', /expected "\|"/, /docs\/recipes\/writing-a-recipe\.md/],
  'a range that is none': ["'components.server.version | semver: \"newer\"'", 'E_BAD_VERSION', /'newer' is not a range/, />=1\.2\.0/],
  'a version that is none': ["'site.domain | semver: \">=1\"'", 'E_BAD_VERSION', /'example\.org' is not a version/, /1\.2\.0/],
  'a map': ['{a: b}', 'E_WRONG_TYPE', /cannot be the map/, /behind `\{% if`/],
};
for (const [title, [condition, code, message, remedy]] of Object.entries(mistakes)) {
  test(`refuses ${title} in a condition`, async (t) => {
    const spoilt = { ...parts, top: `${parts.top ?? ''}steps:\n  - {title: it, text: is so, when: ${condition}}\n` };
    const [problem, ...more] = await problemsOf(t, spoilt);
    t.deepEqual(more, []);
    t.is(problem?.code, code);
    t.is(problem?.at, placeIn(spoilt, 'own/recipe.yaml', `${condition}}`));
    t.regex(problem?.message ?? '', message);
    t.regex(problem?.remedy ?? '', remedy);
  });
}

const halves: Record<string, [from: string, to: string, code: string, at: string, message: RegExp]> = {
  'a service without its component': ['component: web, when: web', 'component: web', 'E_UNKNOWN_COMPONENT', 'web, maintenancePage', /its component 'web' is not/],
  'a component without a service': ['dockerfile: Dockerfile, when: web', 'dockerfile: Dockerfile', 'E_UNUSED_COMPONENT', 'web: {image', /no service that runs it/],
  'a service without its page': ['component: server, restartAfter', 'component: server, maintenancePage: sorry.html, restartAfter', 'E_UNKNOWN_FILE', 'sorry.html, restartAfter', /its page 'sorry\.html' is not/],
};
for (const [title, [from, to, code, at, message]] of Object.entries(halves)) {
  test(`refuses ${title}, where only one of the two has a condition`, async (t) => {
    const replaced = (text = '') => text.replace(from, to);
    const spoilt = { ...parts, components: replaced(parts.components), services: replaced(parts.services) };
    const problems = await problemsOf(t, spoilt);
    const found = problems.find((problem) => problem.code === code);
    t.is(found?.at, placeIn(spoilt, 'own/recipe.yaml', at), JSON.stringify(problems));
    t.regex(found?.message ?? '', message);
    t.regex(found?.remedy ?? '', /same `when`/);
  });
}

