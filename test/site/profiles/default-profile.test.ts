import test from 'ava';
import { loadParts, placeIn, problemsOf, type RecipeParts } from '../../support/site/recipe-site.ts';

const variables = '  port: {type: port, description: Port of clients., default: 5222}\n  greeting: {type: string, description: What it says first., default: hello}\n';
const top = `defaultProfile: plain
profiles:
  plain: {description: As it always was., variables: {greeting: plain}}
  public: {description: For everybody., variables: {port: 443}}
host:
  files:
    - {path: /etc/own.conf, template: own.conf, action: own, when: site.profile == "public"}
    - {path: /etc/more.conf, template: own.conf, action: more, when: port == 444}
  actions:
    - {name: own, apply: ['true']}
    - {name: more, apply: ['true']}
`;
const parts: RecipeParts = { variables, top, files: { 'own.conf': 'x\n' } };

test('a site without a profile has the default one, and may choose another', async (t) => {
  const plain = await loadParts(t, parts);
  t.is(plain.site.profile, 'plain');
  t.like(plain.variables, { port: 5222, greeting: 'plain' });
  const open = await loadParts(t, { ...parts, site: 'profile: public\n' });
  t.is(open.site.profile, 'public');
  t.like(open.variables, { port: 443, greeting: 'hello' });
});

test('without files on the host there is nothing of it in the release, and actions go with their files', async (t) => {
  t.is((await loadParts(t, parts)).recipe.host, undefined);
  const { recipe } = await loadParts(t, { ...parts, site: 'profile: public\n' });
  t.deepEqual(recipe.host?.actions.map(({ name }) => name), ['own']);
});

test('a default profile must be one', async (t) => {
  const spoilt = { ...parts, top: top.replace('defaultProfile: plain', 'defaultProfile: plan') };
  const [problem] = await problemsOf(t, { ...spoilt, site: 'profile: public\n' });
  t.like(problem, { code: 'E_UNKNOWN_PROFILE', at: placeIn(spoilt, 'own/recipe.yaml', 'plan\n'), message: "There is no profile 'plan'", remedy: "Did you mean 'plain'?" });
  const alone: RecipeParts = { top: 'defaultProfile: plain\n' };
  const [none] = await problemsOf(t, alone);
  t.like(none, { code: 'E_UNKNOWN_PROFILE', at: placeIn(alone, 'own/recipe.yaml', 'plain') });
});
