import test from 'ava';
import { loadParts, problemsOf, type RecipeParts } from '../../support/site/recipe-site.ts';
import { goodSite, problemsOf as problemsOfSite } from '../temporary-site.ts';

/** A recipe with the profile `shared`, whose service runs without an engine, and what else is given. */
function shared(process: string, parts: RecipeParts = {}): RecipeParts {
  const profiles = 'defaultProfile: shared\nprofiles:\n  shared: {description: Without an engine., engine: none, ports: [chat_port]}\n  other: {description: With one.}\n';
  return {
    ...parts,
    top: `${profiles}files:\n  run.sh: {template: run.sh}\n  late.sh: {template: run.sh, when: rooms == false}\nprocesses:\n${process}${parts.top ?? ''}`,
    variables: `  chat_port: {type: port, description: A port., default: 5222}\n${parts.variables ?? ''}`,
    files: { 'run.sh': 'exec "$@"\n', ...parts.files },
  };
}

const good = "  server: {entrypoint: run.sh, command: [serve, -F], environment: {DOMAIN: '{{ site.domain }}'}, ports: ['{{ chat_port }}', '{% if rooms == false %}1{% endif %}']}\n";

test('a profile without an engine says how services run, and its hosts have none', async (t) => {
  const { site, recipe } = await loadParts(t, shared(good, { site: 'hosts: {one: anna@shared.example.net}\n' }));
  t.is(site.engine, 'none');
  t.deepEqual(site.portVariables, ['chat_port']);
  t.deepEqual(site.hosts, [{ name: 'one', address: 'shared.example.net', user: 'anna', engine: 'none' }]);
  t.deepEqual(recipe.processes, [{ service: 'server', entrypoint: 'run.sh', command: ['serve', '-F'], environment: { DOMAIN: 'example.org' }, ports: [5222], stopSeconds: 30 }]);
});

test('other profiles of the recipe know nothing of it', async (t) => {
  const { site, recipe } = await loadParts(t, shared(good, { site: 'profile: other\nhosts: {one: pi@pi.local}\n' }));
  t.deepEqual([site.engine, recipe.processes, site.hosts], [undefined, undefined, [{ name: 'one', address: 'pi.local', user: 'pi' }]]);
});

const refused: Record<string, readonly [RecipeParts, `E_${string}`, RegExp]> = {
  'a port below 1024': [shared(good, { site: 'variables: {chat_port: 443}\n' }), 'E_PORT_NEEDS_ROOT', /wants port 443/],
  'a file of the host': [shared(good, { top: 'host:\n  files: [{path: /etc/cron.d/server, template: run.sh}]\n' }), 'E_NEEDS_ROOT', /file of the host itself/],
  'a package': [shared(good, { top: 'os: {packages: [nginx]}\n' }), 'E_NEEDS_ROOT', /package needs root/],
  'a service without a process': [
    shared(good, { services: '    - {name: web, component: server}\n', compose: "  web: {image: {{ 'server' | image }}, restart: always}\n" }),
    'E_NO_PROCESS',
    /the service 'web' runs without an engine/,
  ],
  'a one-shot service': [
    shared(`${good}  move: {entrypoint: run.sh, command: [move]}\n`, { services: '    - {name: move, component: server, kind: oneshot}\n', compose: "  move: {image: {{ 'server' | image }}}\n" }),
    'E_NEEDS_ENGINE',
    /'move' is a one-shot service/,
  ],
  'an entrypoint that is no file': [shared('  server: {entrypoint: ruin.sh, command: [serve]}\n'), 'E_UNKNOWN_FILE', /There is no file 'ruin\.sh'/],
  'an entrypoint that is not wanted': [shared('  server: {entrypoint: late.sh, command: [serve]}\n'), 'E_UNKNOWN_FILE', /'late\.sh' is not wanted/],
  'a process of no service': [shared(`${good}  sever: {entrypoint: run.sh, command: [serve]}\n`), 'E_UNKNOWN_SERVICE', /There is no service 'sever'/],
};

for (const [title, [parts, code, message]] of Object.entries(refused)) {
  test(`${title} is refused`, async (t) => {
    const problems = await problemsOf(t, parts);
    t.deepEqual(problems.map((problem) => problem.code), [code], JSON.stringify(problems));
    t.regex(problems[0]!.message, message);
    t.not(problems[0]!.remedy, '');
  });
}

const home = '  admins: [anna@example.org]\n  client_port: 21522\n  server_port: 21523\n';
for (const [variables, message] of [
  ['web: true', /need nginx and coturn/],
  ['turn: true', /need nginx and coturn/],
  ['certificates: letsencrypt', /need root/],
  ['storage: postgresql', /no secrets for a database server/],
] as const) {
  test(`the recipe prosody without an engine refuses ${variables}`, async (t) => {
    const problems = await problemsOfSite(t, { 'prose-ship.yaml': `${goodSite}profile: shared\nvariables:\n${home}  ${variables}\n` });
    t.true(problems.some((problem) => problem.code === 'E_RULE' && message.test(problem.message) && problem.remedy !== ''), JSON.stringify(problems));
  });
}

test('the recipe prosody without an engine refuses a port that only root may have', async (t) => {
  const problems = await problemsOfSite(t, { 'prose-ship.yaml': `${goodSite}profile: shared\nvariables:\n${home.replace('21522', '222')}` });
  t.deepEqual(problems.map(({ code }) => code), ['E_PORT_NEEDS_ROOT']);
});
