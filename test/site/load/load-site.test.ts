import path from 'node:path';
import test from 'ava';
import { createContext } from '../../../src/context.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import { fixtures, goodSite, problemsOf, temporarySite, type ShownProblem } from '../temporary-site.ts';

interface Case {
  /** Line of `goodSite` that is replaced (from 1), or text that is added. */
  readonly replace?: readonly [line: number, text: string];
  readonly add?: string;
  readonly code: string;
  readonly at: string;
  readonly message?: RegExp;
  readonly remedy: RegExp;
}

const cases: Record<string, Case> = {
  'unknown key': { replace: [5, 'domian: example.org'], code: 'E_UNKNOWN_KEY', at: '5:1', remedy: /^Did you mean 'domain'\?$/ },
  'unknown key, nothing near': { add: 'wallpaper: 1', code: 'E_UNKNOWN_KEY', at: '6:1', remedy: /^Valid here: profile, platforms, variables, secrets, hosts, transport, components, retention, signing, allowedSigners, os\.$/ },
  'unknown nested key': { add: 'hosts:\n  pi:\n    adress: pi.local\n    address: pi.local', code: 'E_UNKNOWN_KEY', at: '8:5', remedy: /Valid here: user, port/ },
  'wrong type': { replace: [2, 'name: [demo]'], code: 'E_WRONG_TYPE', at: '2:7', message: /must be text, but is the list \["demo"\]/, remedy: /Name of the installation/ },
  'number for text': { replace: [3, 'version: 1.10'], code: 'E_WRONG_TYPE', at: '3:10', remedy: /^Put it in quotes: '1\.10'$/ },
  'bad version': { replace: [3, 'version: v1.2'], code: 'E_BAD_VERSION', at: '3:10', message: /'v1\.2'/, remedy: /^Did you mean '1\.2\.0'\?$/ },
  'version with build metadata': { replace: [3, 'version: 1.2.0+5'], code: 'E_BAD_VERSION', at: '3:10', remedy: /'1\.2\.0'/ },
  'upper-case domain': { replace: [5, 'domain: Example.ORG'], code: 'E_BAD_DOMAIN', at: '5:9', remedy: /'example\.org'/ },
  'international domain': { replace: [5, 'domain: bücher.example'], code: 'E_BAD_DOMAIN', at: '5:9', remedy: /'xn--bcher-kva\.example'/ },
  'label that ends in a hyphen': { replace: [5, 'domain: chat-.example.org'], code: 'E_BAD_DOMAIN', at: '5:9', remedy: /Labels of/ },
  'label of 64 characters': { replace: [5, `domain: ${'a'.repeat(64)}.org`], code: 'E_BAD_DOMAIN', at: '5:9', remedy: /at most 63/ },
  'address as domain': { replace: [5, 'domain: 192.168.1.2'], code: 'E_BAD_DOMAIN', at: '5:9', message: /is an address/, remedy: /chat\.example\.org/ },
  'bad name': { replace: [2, 'name: My Server'], code: 'E_BAD_NAME', at: '2:7', remedy: /lower-case/ },
  'other format': { replace: [1, 'schema: 2'], code: 'E_BAD_VALUE', at: '1:9', remedy: /Did you mean '1'\?/ },
  'bad platform': { add: 'platforms: [linux/arm64, windows/amd64]', code: 'E_BAD_PLATFORM', at: '6:26', remedy: /linux\/arm\/v7/ },
  'platform in another spelling': { add: 'platforms: [linux/arm64/v8]', code: 'E_BAD_PLATFORM', at: '6:13', remedy: /'linux\/arm64'/ },
  'platform twice': { add: 'platforms: [linux/arm64, linux/arm64]', code: 'E_DUPLICATE', at: '6:26', remedy: /Remove one/ },
  'no platform': { add: 'platforms: []', code: 'E_BAD_VALUE', at: '6:12', remedy: /At least 1, in entries/ },
  'option as address': { add: "hosts: {pi: '-oProxyCommand=x'}", code: 'E_BAD_ADDRESS', at: '6:13', remedy: /keys of their own/ },
  'port in an address': { add: "hosts: {pi: 'pi.local:22'}", code: 'E_BAD_ADDRESS', at: '6:13', remedy: /port: 22/ },
  'port out of range': { add: 'hosts: {pi: {address: pi.local, port: 70000}}', code: 'E_BAD_VALUE', at: '6:39', remedy: /At most 65535/ },
  'unknown transport': { add: 'transport: rsync', code: 'E_BAD_VALUE', at: '6:12', remedy: /registry/ },
  'unknown recipe': { replace: [4, 'recipe: prosodi'], code: 'E_MISSING_RECIPE', at: '4:9', remedy: /Did you mean 'prosody'\?/ },
  'unknown recipe, nothing near': { replace: [4, 'recipe: mattermost'], code: 'E_MISSING_RECIPE', at: '4:9', remedy: /Built-in recipes: .*prosody.*\.\/mattermost/ },
  'recipe path without a recipe': { replace: [4, 'recipe: ./static-web/content'], code: 'E_MISSING_RECIPE', at: '4:9', message: /has no recipe\.yaml/, remedy: /relative to the site file/ },
  'unknown variable': { add: 'variables: {client_prt: 5222}', code: 'E_UNKNOWN_VARIABLE', at: '6:13', remedy: /Did you mean 'client_port'\?/ },
  'variable of another type': { add: "variables: {client_port: '5222'}", code: 'E_WRONG_TYPE', at: '6:26', message: /'5222' is not a port number/, remedy: /Port for chat clients/ },
  'variable out of range': { add: 'variables: {archive_days: 0}', code: 'E_BAD_VALUE', at: '6:27', remedy: /At least 1/ },
  'variable not among the allowed': { add: 'variables: {log_level: warning}', code: 'E_BAD_VALUE', at: '6:24', remedy: /Allowed: debug, info, warn, error|Did you mean 'warn'/ },
  'variable against its pattern': { add: 'variables: {admins: [anna]}', code: 'E_BAD_VALUE', at: '6:21', remedy: /anna@example\.org/ },
  'bad domain in a variable': { add: 'variables: {rooms_domain: a_b.org}', code: 'E_BAD_DOMAIN', at: '6:27', remedy: /Labels/ },
  'unknown secret': { add: 'secrets: {smtp: {env: SMTP}}', code: 'E_UNKNOWN_VARIABLE', at: '6:11', remedy: /Its secrets: turn_secret, .*ddns_token\./ },
  'unknown component': { add: 'components: {sever: {version: 1.0.0}}', code: 'E_UNKNOWN_COMPONENT', at: '6:14', remedy: /Did you mean 'server'\?/ },
  'missing source of a component': { add: 'components: {server: {source: ./nowhere}}', code: 'E_MISSING_FILE', at: '6:31', remedy: /relative to the site file/ },
  'short commit': { add: 'components: {server: {source: {git: {url: https://git.example.org/a, commit: abc123}}}}', code: 'E_BAD_COMMIT', at: '6:78', remedy: /40 hex digits/ },
  'short checksum': { add: 'components: {server: {source: {url: https://example.org/a.tar, sha256: abc}}}', code: 'E_BAD_DIGEST', at: '6:72', remedy: /64/ },
  'one release kept': { add: 'retention: {releases: 1}', code: 'E_BAD_VALUE', at: '6:23', remedy: /At least 2/ },
  'budget in another unit': { add: 'retention: {diskBudget: 4 GB}', code: 'E_BAD_SIZE', at: '6:25', message: /'4 GB'/, remedy: /4GiB/ },
  'budget that holds nothing': { add: 'retention: {diskBudget: 10MiB}', code: 'E_BAD_SIZE', at: '6:25', remedy: /At least 256MiB/ },
  'key twice': { add: 'name: other', code: 'E_DUPLICATE_KEY', at: '6:1', remedy: /Remove one/ },
  'tab as indentation': { add: 'hosts:\n\tpi: pi.local', code: 'E_YAML', at: '7:1', remedy: /spaces/ },
  'open quote': { replace: [2, 'name: "demo'], code: 'E_YAML', at: '6:1', remedy: /quote/ },
};

for (const [title, { replace, add, code, at, message, remedy }] of Object.entries(cases)) {
  test(`refuses ${title}`, async (t) => {
    const lines = goodSite.split('\n');
    if (replace) lines[replace[0] - 1] = replace[1];
    const problems = await problemsOf(t, { 'prose-ship.yaml': lines.join('\n') + (add ?? '') });
    const found = problems.find((problem) => problem.code === code);
    t.truthy(found, JSON.stringify(problems));
    t.is(found?.at, `prose-ship.yaml:${at}`);
    if (message) t.regex(found?.message ?? '', message);
    t.regex(found?.remedy ?? '', remedy);
  });
}

test('names what is missing, with its meaning', async (t) => {
  const problems = await problemsOf(t, { 'prose-ship.yaml': 'schema: 1\nrecipe: prosody\n' });
  t.deepEqual(problems.map(({ code, message }) => [code, message]), [
    ['E_MISSING_VALUE', '`name` is missing'],
    ['E_MISSING_VALUE', '`version` is missing'],
    ['E_MISSING_VALUE', '`domain` is missing'],
  ]);
  t.regex(problems[2]?.remedy ?? '', /Add `domain`: The domain of the chat addresses/);
});

test('tells everything at once, of site and recipe', async (t) => {
  const problems = await problemsOf(t, {
    'prose-ship.yaml': 'schema: 1\nname: A B\nversion: x\nrecipe: ./static-web\ndomain: a..b\ncolour: red\nvariables: {http_port: x}\n',
    'static-web/page.Dockerfile': '',
    'static-web/templates/.keep': '',
  });
  t.deepEqual(problems.map(({ code }) => code).sort(), ['E_BAD_DOMAIN', 'E_BAD_NAME', 'E_BAD_VERSION', 'E_MISSING_VALUE', 'E_UNKNOWN_KEY', 'E_WRONG_TYPE']);
});

test('a missing site file says how to write one', async (t) => {
  const [problem] = await problemsOf(t, {});
  t.like(problem satisfies ShownProblem | undefined, { code: 'E_MISSING_FILE' });
  t.regex(problem?.remedy ?? '', /prose-ship init/);
});

test('loads a site of a recipe outside this repository', async (t) => {
  const deployment = await loadDeployment(createContext(), path.join(fixtures, 'static-web.yaml'));
  t.deepEqual(deployment.site.hosts, [
    { name: 'kitchen', address: 'raspberrypi.local', user: 'pi' },
    { name: 'cellar', address: '192.168.1.20', user: 'admin', port: 2222 },
  ]);
  t.deepEqual(deployment.site.platforms, [{ os: 'linux', architecture: 'arm64' }]);
  const [page, status] = deployment.recipe.components;
  t.like(page, { version: '1.29.1', args: { VERSION: '1.29.1', TITLE: 'Costs $5: "cheap"', EXTRA: '1' } });
  t.deepEqual(page?.source, { kind: 'local', directory: path.join(fixtures, 'static-web/content') });
  t.deepEqual(status?.source, { kind: 'git', url: 'https://git.example.org/status.git', commit: '0123456789abcdef0123456789abcdef01234567', subdirectory: 'web' });
  t.deepEqual(deployment.recipe.rollout.services[1]?.probes, [
    { type: 'http', url: 'http://127.0.0.1:8081/', status: 204 },
    { type: 'tcp', host: '127.0.0.1', port: 8081 },
  ]);
  t.deepEqual(deployment.variables['aliases'], ['www.example.org']);
  t.true(Object.isFrozen(deployment) && Object.isFrozen(deployment.recipe.rollout.services));
});

test('what hosts keep', async (t) => {
  const load = async (text: string) => {
    const directory = await temporarySite(t, { 'prose-ship.yaml': `${goodSite}${text}\n` });
    return (await loadDeployment(createContext(), path.join(directory, 'prose-ship.yaml'))).site.retention;
  };
  t.is(await load(''), undefined);
  t.deepEqual(await load('retention: {diskBudget: 800MiB}'), { releases: 2, diskBudgetBytes: 800 * 2 ** 20 });
  t.deepEqual(await load('retention: {releases: 5}'), { releases: 5 });
});

test('keys with nothing after them mean the default', async (t) => {
  const problems = await problemsOf(t, { 'prose-ship.yaml': `${goodSite}variables:\nhosts:\nsecrets:\ncolour: red\n` });
  t.deepEqual(problems.map(({ code }) => code), ['E_UNKNOWN_KEY']);
});
