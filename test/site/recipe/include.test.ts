import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createContext } from '../../../src/context.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import { recipeVariables } from '../../../src/site/recipe/recipe-variables.ts';
import { renderDeployment } from '../../../src/site/render.ts';
import { problemsOf, recipeSite, type RecipeParts } from '../../support/site/recipe-site.ts';
import { problemsOf as problemsOfFiles, temporarySite, type ShownProblem } from '../temporary-site.ts';

const rules = `# Senseless.

- when: rooms and banner == ""
  message: 'no banner for {{ site.domain }}'
  remedy: Give one.
  level: warning
`;
const host = `files:
  - {path: /etc/first.conf, template: first.conf, when: not rooms}
  - {path: '/etc/{{ site.name }}.conf', template: second.conf}
`;
const files = { 'rules.yaml': rules, 'parts/host.yaml': host, 'first.conf': 'one\n', 'second.conf': 'two\n', 'steps.yaml': '- {title: Do it, text: "At {{ site.domain }}."}\n' };
const parts: RecipeParts = {
  variables: '  banner: {type: string, description: What is shown., default: ""}\n',
  top: 'include: {rules: rules.yaml, host: parts/host.yaml, steps: steps.yaml}\n',
  files,
};

function withFile(name: string, text: string, more: RecipeParts = {}): RecipeParts {
  return { ...parts, ...more, files: { ...files, [name]: text } };
}

/** The one problem that is expected; `at` is the text of the file before which it is placed. */
async function onlyProblem(t: ExecutionContext, spoilt: RecipeParts, file: string, at: string): Promise<ShownProblem | undefined> {
  const [problem, ...others] = await problemsOf(t, spoilt);
  t.deepEqual(others, []);
  const text = recipeSite(spoilt)[file] ?? '';
  t.true(text.includes(at), `${file} does not hold ${at}`);
  const before = text.slice(0, text.indexOf(at)).split('\n');
  t.is(problem?.at, `${file}:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`, JSON.stringify(problem));
  return problem;
}

test('a recipe in several files is the same as one in a single file', async (t) => {
  const indented = (text: string) => text.replaceAll(/^(?=.)/gm, '  ');
  const single = { ...parts, top: `rules:\n${indented(rules)}host:\n${indented(host)}steps:\n${indented(files['steps.yaml'])}` };
  const directory = await temporarySite(t, recipeSite(single));
  const site = path.join(directory, 'prose-ship.yaml');
  const whole = await loadDeployment(createContext(), site);
  const references = new Map([['server', 'example/server:2.1.0-0123456789ab']]);
  const rendered = await renderDeployment(whole, references);
  for (const [name, text] of Object.entries(recipeSite(parts))) {
    await mkdir(path.dirname(path.join(directory, name)), { recursive: true });
    await writeFile(path.join(directory, name), text);
  }
  const split = await loadDeployment(createContext(), site);
  t.deepEqual(split, whole);
  t.deepEqual(split.recipe.steps, [{ title: 'Do it', text: 'At example.org.' }]);
  t.is(rendered.hostFiles.length, 1);
  t.deepEqual(await renderDeployment(split, references), rendered);
});

test('what the schema wants can be included, and `init` sees it', async (t) => {
  const { 'own/recipe.yaml': text = '', ...others } = recipeSite({});
  const lines = text.split('\n');
  const key = (name: string) => lines.findIndex((line) => line === `${name}:`);
  const below = (from: string, to: number) => lines.slice(key(from) + 1, to).map((line) => line.slice(2)).join('\n');
  const directory = await temporarySite(t, {
    ...others,
    'own/recipe.yaml': `${lines.slice(0, key('components')).join('\n')}\ninclude: {components: components.yaml, variables: variables.yml, rollout: rollout.yaml}\n`,
    'own/components.yaml': below('components', key('variables')),
    'own/variables.yml': below('variables', key('rollout')),
    'own/rollout.yaml': below('rollout', lines.length),
  });
  const { recipe } = await loadDeployment(createContext(), path.join(directory, 'prose-ship.yaml'));
  t.deepEqual(recipe.rollout.services.map(({ name }) => name), ['server']);
  t.deepEqual((await recipeVariables('./own', directory)).map(({ name }) => name), ['rooms']);
});

interface Spoilt {
  readonly parts: RecipeParts;
  readonly file: string;
  readonly at: string;
  readonly code: string;
  readonly remedy: RegExp;
}

const included: Record<string, Spoilt> = {
  'YAML that is none': { parts: withFile('rules.yaml', '- when: [rooms\n- when: x]\n'), file: 'own/rules.yaml', at: '- when: x', code: 'E_YAML', remedy: /Indent keys/ },
  'a key twice': { parts: withFile('rules.yaml', `${rules}  level: error\n`), file: 'own/rules.yaml', at: 'level: error', code: 'E_DUPLICATE_KEY', remedy: /Remove one/ },
  'an anchor of another file': { parts: withFile('rules.yaml', rules.replace('Give one.', '*remedy')), file: 'own/rules.yaml', at: '*remedy', code: 'E_YAML', remedy: /same file/ },
  'an unknown key': { parts: withFile('rules.yaml', `${rules}  mesage: x\n`), file: 'own/rules.yaml', at: 'mesage', code: 'E_UNKNOWN_KEY', remedy: /Did you mean 'message'/ },
  'a wrong type': { parts: withFile('rules.yaml', rules.replace('Give one.', '0755')), file: 'own/rules.yaml', at: '0755', code: 'E_WRONG_TYPE', remedy: /^Put it in quotes: '0755'$/ },
  'a wrong content': { parts: withFile('rules.yaml', '# Senseless.\nwhen: rooms\n'), file: 'own/rules.yaml', at: 'when', code: 'E_WRONG_TYPE', remedy: /./ },
  'a missing template of the host': { parts: withFile('parts/host.yaml', host.replace('second', 'third')), file: 'own/parts/host.yaml', at: 'third.conf', code: 'E_MISSING_FILE', remedy: /relative to recipe\.yaml/ },
  'an undefined variable': { parts: withFile('rules.yaml', rules.replace('{{ site.domain }}', '{{ site.domian }}')), file: 'own/rules.yaml', at: "'no banner", code: 'E_UNDEFINED_VARIABLE', remedy: /Did you mean 'site\.domain'/ },
  'a condition': { parts: withFile('rules.yaml', rules.replace('rooms and banner', 'rooms and baner')), file: 'own/rules.yaml', at: 'rooms and', code: 'E_UNDEFINED_VARIABLE', remedy: /Did you mean 'banner'/ },
  'a template behind an entry that is not wanted': { parts: withFile('parts/host.yaml', host.replace('site.name', 'site.nam')), file: 'own/parts/host.yaml', at: "'/etc/{{", code: 'E_UNDEFINED_VARIABLE', remedy: /Did you mean 'site\.name'/ },
  'an include of its own': { parts: withFile('parts/host.yaml', `${host}include: {actions: actions.yaml}\n`), file: 'own/parts/host.yaml', at: 'include', code: 'E_NESTED_INCLUDE', remedy: /`include` of recipe\.yaml/ },
  'the recipe itself': { parts: { ...parts, top: 'include: {rules: recipe.yaml}\n' }, file: 'own/recipe.yaml', at: 'include', code: 'E_NESTED_INCLUDE', remedy: /Name the file/ },
  'the key once more': { parts: withFile('rules.yaml', `# Senseless.\nrules:\n${rules}`), file: 'own/rules.yaml', at: 'rules:', code: 'E_REPEATED_KEY', remedy: /stands under `rules`/ },
  'a key that stands in the recipe, too': { parts: { ...parts, top: `${parts.top ?? ''}rules: []\n` }, file: 'own/recipe.yaml', at: 'rules: []', code: 'E_DUPLICATE_KEY', remedy: /Remove one of the two/ },
  'a missing file': { parts: { ...parts, top: 'include: {rules: rule.yaml}\n' }, file: 'own/recipe.yaml', at: 'rule.yaml', code: 'E_MISSING_FILE', remedy: /^Did you mean 'rules\.yaml'\? / },
  'a missing file of a folder': { parts: { ...parts, top: 'include: {host: parts/hosts.yaml}\n' }, file: 'own/recipe.yaml', at: 'parts/hosts.yaml', code: 'E_MISSING_FILE', remedy: /^Did you mean 'parts\/host\.yaml'\? / },
  'a folder': { parts: withFile('more.yaml/empty', '', { top: 'include: {rules: more.yaml}\n' }), file: 'own/recipe.yaml', at: 'more.yaml', code: 'E_MISSING_FILE', remedy: /relative to recipe\.yaml/ },
  'a path out of the folder': { parts: { ...parts, top: 'include: {rules: parts/../../rules.yaml}\n' }, file: 'own/recipe.yaml', at: 'parts/../..', code: 'E_BAD_PATH', remedy: /below the folder/ },
  'an absolute path': { parts: { ...parts, top: 'include: {rules: /etc/rules.yaml}\n' }, file: 'own/recipe.yaml', at: '/etc/rules', code: 'E_BAD_PATH', remedy: /below the folder/ },
  'another kind of file': { parts: { ...parts, top: 'include: {rules: first.conf}\n' }, file: 'own/recipe.yaml', at: 'first.conf', code: 'E_BAD_PATH', remedy: /\.yaml/ },
  'an unknown part': { parts: { ...parts, top: 'include: {rule: rules.yaml}\n' }, file: 'own/recipe.yaml', at: 'rule: ', code: 'E_UNKNOWN_KEY', remedy: /Did you mean 'rules'/ },
  'what is no part': { parts: { ...parts, top: 'include: {__proto__: rules.yaml}\n' }, file: 'own/recipe.yaml', at: '__proto__', code: 'E_UNKNOWN_KEY', remedy: /Valid here: components, / },
  'no map': { parts: { ...parts, top: 'include: rules.yaml\n' }, file: 'own/recipe.yaml', at: 'rules.yaml', code: 'E_WRONG_TYPE', remedy: /by key/ },
};

for (const [title, { parts: spoilt, file, at, code, remedy }] of Object.entries(included)) {
  test(`refuses ${title} where files are included`, async (t) => {
    const problem = await onlyProblem(t, spoilt, file, at);
    t.is(problem?.code, code, JSON.stringify(problem));
    t.regex(problem?.remedy ?? '', remedy);
  });
}

test('a variable may have the name `include`', async (t) => {
  const variables = 'rooms: {type: boolean, description: x, default: true}\nbanner: {type: string, description: x, default: ""}\ninclude: {type: string, description: What is included., default: all}\n';
  const { 'own/recipe.yaml': text = '', ...others } = recipeSite(withFile('variables.yaml', variables));
  const recipe = text.replace(/^variables:\n(?: .*\n)*/m, '').replace('include: {', 'include: {variables: variables.yaml, ');
  const directory = await temporarySite(t, { ...others, 'own/recipe.yaml': recipe });
  const deployment = await loadDeployment(createContext(), path.join(directory, 'prose-ship.yaml'));
  t.is(deployment.variables['include'], 'all');
});

test('everything wrong with all files is told at once', async (t) => {
  const spoilt = withFile('parts/host.yaml', 'files: [', { top: 'include: {rules: rule.yaml, host: parts/host.yaml, steps: /steps.yaml, dsn: dns.yaml}\nsteps: []\n' });
  const problems = await problemsOf(t, spoilt);
  t.deepEqual(problems.map(({ code, at }) => [code, at.split(':')[0]]).sort(), [
    ['E_BAD_PATH', 'own/recipe.yaml'],
    ['E_MISSING_FILE', 'own/recipe.yaml'],
    ['E_UNKNOWN_KEY', 'own/recipe.yaml'],
    ['E_YAML', 'own/parts/host.yaml'],
  ]);
  const both = await problemsOf(t, { ...withFile('rules.yaml', `${rules}  mesage: x\n`), top: `${parts.top ?? ''}dnss: []\n` });
  t.deepEqual(both.map(({ code, at }) => [code, at.split(':')[0]]).sort(), [['E_UNKNOWN_KEY', 'own/recipe.yaml'], ['E_UNKNOWN_KEY', 'own/rules.yaml']]);
});

test('refuses a link out of the folder', async (t) => {
  const directory = await temporarySite(t, recipeSite(parts));
  await rename(path.join(directory, 'own/rules.yaml'), path.join(directory, 'rules.yaml'));
  await symlink('../rules.yaml', path.join(directory, 'own/rules.yaml'));
  const error = await t.throwsAsync(loadDeployment(createContext(), path.join(directory, 'prose-ship.yaml')), { code: 'E_BAD_PATH' });
  t.regex(error.message, /link out of the recipe's folder/);
});

test('an alias without its anchor is a problem of any YAML file', async (t) => {
  const [problem] = await problemsOfFiles(t, { 'prose-ship.yaml': 'schema: 1\nname: *other\n' });
  t.like(problem, { code: 'E_YAML', at: 'prose-ship.yaml:2:7' });
});
