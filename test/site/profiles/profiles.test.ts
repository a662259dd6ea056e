import test from 'ava';
import { loadParts, placeIn, problemsOf, type RecipeParts } from '../../support/site/recipe-site.ts';

const variables = `  address: {type: string, description: Public address of the host.}
  port: {type: port, description: Port of clients., default: 5222}
  greeting: {type: string, description: What it says first., default: hello}
  token: {type: secret, description: Token of the DNS provider.}
`;
const top = `profiles:
  public:
    description: For everybody.
    required: [address, token]
  home:
    description: Behind a router.
    variables: {address: 192.168.1.2, port: 5223, greeting: 'welcome to {{ site.domain }}'}
`;
const parts: RecipeParts = { variables, top };

test("a profile's values stand between the site's and the variable's own", async (t) => {
  const { site, variables: values } = await loadParts(t, { ...parts, site: 'profile: home\nvariables: {port: 5300}\n' });
  t.is(site.profile, 'home');
  t.like(values, { address: '192.168.1.2', port: 5300, greeting: 'welcome to example.org', rooms: true });
});

test('templates and conditions see the profile', async (t) => {
  const { recipe } = await loadParts(t, { ...parts, site: 'profile: home\n', top: `${top}steps:\n  - {title: For {{ site.profile }}, text: It is {{ address }}, when: site.profile == "home"}\n  - {title: x, text: x, when: site.profile == "public"}\n`.replace('For {{ site.profile }}', "'For {{ site.profile }}'").replace('It is {{ address }}', "'It is {{ address }}'") });
  t.deepEqual(recipe.steps, [{ title: 'For home', text: 'It is 192.168.1.2' }]);
});

test('everything that a profile needs is told at once, with its meaning', async (t) => {
  const problems = await problemsOf(t, { ...parts, site: 'profile: public\nvariables: {}\n' });
  t.deepEqual(
    problems.map(({ code, message, remedy }) => ({ code, message, remedy })),
    [
      { code: 'E_MISSING_VALUE', message: "The recipe needs the variable 'address', and the site does not set it", remedy: 'Add it under `variables`: Public address of the host.' },
      { code: 'E_MISSING_VALUE', message: "The recipe needs the secret 'token', and the site does not set it", remedy: 'Add it under `secrets`: Token of the DNS provider.' },
    ],
  );
});

test('a recipe with profiles wants one, and tells which there are', async (t) => {
  const [problem, ...more] = await problemsOf(t, parts);
  t.deepEqual(more, []);
  t.is(problem?.code, 'E_MISSING_VALUE');
  t.is(problem?.at, 'prose-ship.yaml:1:1');
  t.is(problem?.remedy, 'Add `profile: NAME`, one of: public (For everybody.) home (Behind a router.)');
});

test('an unknown profile names the nearest', async (t) => {
  const site = 'profile: hme\n';
  const [problem, ...more] = await problemsOf(t, { ...parts, site });
  t.deepEqual(more, []);
  t.like(problem, { code: 'E_UNKNOWN_PROFILE', at: placeIn({ ...parts, site }, 'prose-ship.yaml', 'hme'), remedy: "Did you mean 'home'?" });
});

test('a profile for a recipe without any is refused', async (t) => {
  const [problem] = await problemsOf(t, { site: 'profile: home\n' });
  t.like(problem, { code: 'E_UNKNOWN_PROFILE', at: 'prose-ship.yaml:6:1', remedy: 'Remove `profile`.' });
});

test('profiles can only speak of variables that are there, in values that fit', async (t) => {
  const wrong = `profiles:
  public:
    description: For everybody.
    variables: {prt: 1, port: 70000, token: hunter2, address: '{{ site.nme }}'}
    required: [adress, address]
`;
  const spoilt = { variables, top: wrong, site: 'profile: public\n' };
  const problems = await problemsOf(t, spoilt);
  const at = (text: string) => placeIn(spoilt, 'own/recipe.yaml', text);
  t.deepEqual(
    problems.filter((problem) => problem.at.startsWith('own/')).map((problem) => [problem.code, problem.at, problem.remedy]),
    [
      ['E_UNKNOWN_VARIABLE', at('prt: 1'), "Did you mean 'port'?"],
      ['E_BAD_VALUE', at('70000'), 'From 1 to 65535.'],
      ['E_SECRET_IN_PLAIN_TEXT', at('hunter2'), 'Remove it; a site says where its secrets come from.'],
      ['E_UNKNOWN_VARIABLE', at('adress, address'), "Did you mean 'address'?"],
    ],
  );
  t.false(JSON.stringify(problems).includes('hunter2'));
});

test('a mistake in a templated value of a profile is placed there', async (t) => {
  const spoilt = { variables, top: top.replace('site.domain', 'site.domian'), site: 'profile: home\n' };
  const [problem] = await problemsOf(t, spoilt);
  t.like(problem, { code: 'E_UNDEFINED_VARIABLE', at: placeIn(spoilt, 'own/recipe.yaml', "'welcome"), remedy: "Did you mean 'site.domain'?" });
});

test('a variable needs a default of its own where one profile leaves it open', async (t) => {
  const spoilt = { variables, top: top.replace('[address, token]', '[token]'), site: 'profile: home\n' };
  const [problem] = await problemsOf(t, spoilt);
  t.like(problem, { code: 'E_MISSING_VALUE', at: placeIn(spoilt, 'own/recipe.yaml', 'address: {type') });
});
