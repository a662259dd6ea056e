import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { createContext } from '../../../src/context.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { fixtures, problemsOf, staticWebSite as site } from '../temporary-site.ts';

interface Spoilt {
  /** Text of the fixture's recipe.yaml and what stands there instead. */
  readonly from: string;
  readonly to: string;
  readonly code: string;
  /** The text in the spoilt file where the problem must be placed. */
  readonly at: string;
  readonly message?: RegExp;
  readonly remedy: RegExp;
}

const cases: Record<string, Spoilt> = {
  'an unknown key': { from: '    dockerfile: page.Dockerfile\n    args', to: '    dockerfil: x\n    dockerfile: page.Dockerfile\n    args', code: 'E_UNKNOWN_KEY', at: 'dockerfil: x', remedy: /Valid here: target|Did you mean/ },
  'a missing Dockerfile': { from: 'page.Dockerfile\n    args', to: 'pge.Dockerfile\n    args', code: 'E_MISSING_FILE', at: 'pge.Dockerfile', message: /The Dockerfile 'pge\.Dockerfile' does not exist/, remedy: /relative to recipe\.yaml/ },
  'a missing source folder': { from: 'source: content', to: 'source: contents', code: 'E_MISSING_FILE', at: 'contents', remedy: /empty folder/ },
  'a missing template': { from: 'templates/nginx.conf', to: 'nginx.conf', code: 'E_MISSING_FILE', at: 'nginx.conf}', remedy: /relative to recipe\.yaml/ },
  'a missing Compose template': { from: 'compose: compose.yaml', to: 'compose: docker-compose.yaml', code: 'E_MISSING_FILE', at: 'docker-compose.yaml', remedy: /beside recipe\.yaml/ },
  'an unknown component': { from: 'component: status', to: 'component: statu', code: 'E_UNKNOWN_COMPONENT', at: 'statu\n', remedy: /Did you mean 'status'\?/ },
  'a component that nothing runs': { from: 'component: status', to: 'component: page', code: 'E_UNUSED_COMPONENT', at: 'status:\n    image', remedy: /rollout\.services/ },
  'a service twice': { from: '- name: page', to: '- name: status', code: 'E_DUPLICATE', at: 'status\n      component: page', remedy: /Remove one/ },
  'a branch for a commit': { from: '0123456789abcdef0123456789abcdef01234567', to: 'main', code: 'E_BAD_COMMIT', at: 'main\n', message: /'main' is not a full commit/, remedy: /40 hex digits/ },
  'a folder outside the repository': { from: 'subdirectory: web', to: 'subdirectory: ../web', code: 'E_BAD_PATH', at: '../web', remedy: /inside/ },
  'a tag in an image': { from: 'example/page', to: 'example/page:1', code: 'E_BAD_REFERENCE', at: 'example/page:1', remedy: /without a tag/ },
  'a Debian version in a tag': { from: 'version: 1.29.0', to: 'version: 1.29.0~rc1', code: 'E_BAD_VERSION', at: '1.29.0~rc1', remedy: /letters, digits/ },
  'an octal mode without quotes': { from: "mode: '0600'", to: 'mode: 0600', code: 'E_WRONG_TYPE', at: '0600', remedy: /^Put it in quotes: '0600'$/ },
  'an owner by name': { from: "owner: '101:101'", to: 'owner: nginx', code: 'E_BAD_OWNER', at: 'nginx}', remedy: /Numbers/ },
  'an unknown probe': { from: 'type: http', to: 'type: https', code: 'E_BAD_VALUE', at: 'https,', message: /'https'/, remedy: /^Did you mean 'http'\?$/ },
  'a wrong key of a probe': { from: 'status: 204', to: 'port: 204', code: 'E_UNKNOWN_KEY', at: 'port: 204', remedy: /.+/ },
  'a probe port that is no port': { from: "port: '{{ http_port }}'", to: "port: '{{ title }}'", code: 'E_BAD_VALUE', at: "'{{ title }}'}\n  timeout", message: /renders to 'Hello'/, remedy: /type port/ },
  'an undefined variable in a probe': { from: "port: '{{ http_port }}'", to: "port: '{{ htp_port }}'", code: 'E_UNDEFINED_VARIABLE', at: "'{{ htp_port }}'", remedy: /Did you mean 'http_port'\?/ },
  'a path into JSON with an empty key': { from: 'status: 204', to: "status: 204, json: {path: 'status..ok', equals: true}", code: 'E_BAD_VALUE', at: "'status..ok'", message: /not a path into JSON/, remedy: /status\.ok/ },
  'a STARTTLS that is not known': { from: "type: tcp, port: '{{ http_port }}'", to: 'type: tls, port: 143, starttls: imap', code: 'E_BAD_VALUE', at: 'imap', remedy: /none, xmpp, smtp/ },
  'a one-shot service with probes': { from: 'component: status\n', to: 'component: status\n      kind: oneshot\n', code: 'E_BAD_VALUE', at: '[{type: command', message: /'status' has probes, but has ended/, remedy: /exit status/ },
  'an unknown kind of service': { from: 'component: status\n', to: 'component: status\n      kind: one-shot\n', code: 'E_BAD_VALUE', at: 'one-shot', remedy: /^Did you mean 'oneshot'\?$/ },
  'a default of another type': { from: 'default: 8080', to: "default: '8080'", code: 'E_WRONG_TYPE', at: "'8080'", remedy: /.+/ },
  'a default out of range': { from: 'default: 1, minimum', to: 'default: 9, minimum', code: 'E_BAD_VALUE', at: '9, minimum', remedy: /From 1 to 8/ },
  'neither default nor required': { from: ', required: true', to: '', code: 'E_MISSING_VALUE', at: 'title: {type', remedy: /`default`/ },
  'a default for a secret': { from: 'description: Token for private packages.', to: 'description: Token., default: hunter2', code: 'E_SECRET_IN_PLAIN_TEXT', at: 'hunter2', remedy: /where its secrets come from/ },
  'a constraint without meaning': { from: 'type: boolean,', to: 'type: boolean, minimum: 1,', code: 'E_BAD_VALUE', at: 'minimum: 1, description', remedy: /integer, port/ },
  'a pattern that does not compile': { from: "'[a-z.-]+'", to: "'[a-z'", code: 'E_BAD_VALUE', at: "'[a-z'", remedy: /regular expression/ },
  'a templated default that becomes wrong': { from: 'www.{{ site.domain }}', to: 'www {{ site.domain }}', code: 'E_BAD_VALUE', at: "['www {{", message: /renders to \["www example\.org"\]/, remedy: /More names/ },
  'a build secret that is no secret': { from: '{npm_token: npm_token}', to: '{npm_token: npm_tokn}', code: 'E_UNKNOWN_VARIABLE', at: 'npm_tokn}', remedy: /Did you mean 'npm_token'\?/ },
  'a reserved variable name': { from: '  color: {', to: '  site: {', code: 'E_BAD_NAME', at: 'site: {', remedy: /taken/ },
  'a password in a Git URL': { from: 'https://git.example.org', to: 'https://me:hunter2@git.example.org', code: 'E_SECRET_IN_PLAIN_TEXT', at: 'https://me', remedy: /credential helper/ },
};

for (const [title, { from, to, code, at, message, remedy }] of Object.entries(cases)) {
  test(`refuses ${title}`, async (t) => {
    const original = await readFile(path.join(fixtures, 'static-web/recipe.yaml'), 'utf8');
    t.true(original.includes(from), 'the fixture has changed');
    const text = original.replace(from, to);
    const problems = await problemsOf(t, { 'prose-ship.yaml': site, 'static-web/recipe.yaml': text });
    const found = problems.find((problem) => problem.code === code);
    t.truthy(found, JSON.stringify(problems));
    t.is(found?.at, `static-web/recipe.yaml:${lineAndColumn(text, at)}`);
    if (message) t.regex(found?.message ?? '', message);
    t.regex(found?.remedy ?? '', remedy);
    t.false(JSON.stringify(problems).includes('hunter2'));
  });
}

test('refuses a password on a command line', async (t) => {
  const original = await readFile(path.join(fixtures, 'static-web/recipe.yaml'), 'utf8');
  const accounts = "accounts:\n  service: pages\n  add: {command: [adduser, '{jid}', '{password}']}\n  passwd: {command: [passwd]}\n  list: {command: [list]}\n";
  const problems = await problemsOf(t, { 'prose-ship.yaml': site, 'static-web/recipe.yaml': original + accounts });
  t.deepEqual(problems.map(({ code }) => code), ['E_UNKNOWN_SERVICE', 'E_SECRET_IN_ARGUMENTS']);
  t.regex(problems[0]?.remedy ?? '', /Did you mean 'page'\?/);
  t.regex(problems[1]?.remedy ?? '', /standard input/);
});

test('a copy of a built-in recipe holds anywhere', async (t) => {
  const directory = await temporaryDirectory('copied-recipe');
  const recipes = path.resolve(import.meta.dirname, '../../../recipes');
  for (const [recipe, fixture] of [['prosody', 'prosody-public'], ['prose-pod', 'prose-pod']] as const) {
    await cp(path.join(recipes, recipe), path.join(directory, recipe), { recursive: true });
    const text = await readFile(path.join(fixtures, `${fixture}.yaml`), 'utf8');
    const file = path.join(directory, `${fixture}.yaml`);
    await writeFile(file, text.replace(`recipe: ${recipe}`, `recipe: ./${recipe}`).replaceAll('../../stand-ins', path.resolve(fixtures, '../../stand-ins')));
    const { recipe: loaded } = await loadDeployment(createContext(), file);
    t.is(loaded.directory, path.join(directory, recipe));
    t.true(loaded.host?.files.some(({ template }) => template === path.join(recipes, 'shared/deploy-hook.sh.liquid')));
  }
});

function lineAndColumn(text: string, at: string): string {
  const before = text.slice(0, text.indexOf(at)).split('\n');
  return `${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
}
