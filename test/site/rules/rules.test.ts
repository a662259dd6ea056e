import test from 'ava';
import { isPrivateAddress } from '../../../src/host/address.ts';
import { loadParts, placeIn, problemsOf, type RecipeParts } from '../../support/site/recipe-site.ts';

const parts: RecipeParts = {
  variables: '  address: {type: string, description: Address., default: 192.0.2.7}\n  turn: {type: boolean, description: Calls., default: true}\n',
  top: `profiles:
  public: {description: For everybody.}
  intranet: {description: Without the internet.}
rules:
  - when: [site.profile == "public", address | is_private_address]
    message: 'the profile public needs an address that can be reached, and {{ address }} cannot'
    remedy: 'Give the one that the router has outside, or choose the profile intranet.'
  - when: site.profile == "intranet" and turn
    message: 'calls from outside never reach {{ site.domain }}'
    remedy: 'Set turn: false.'
    level: warning
  - when: [turn, 'components.server.version | semver: "<2"']
    message: 'server {{ components.server.version }} knows no calls'
    remedy: Take 2.0.0 or later.
`,
};

test('a combination that makes no sense is refused where the values stand', async (t) => {
  const site = 'profile: public\nvariables: {address: 10.0.0.1}\n';
  const [problem, ...more] = await problemsOf(t, { ...parts, site });
  t.deepEqual(more, []);
  t.deepEqual(problem, {
    code: 'E_RULE',
    at: placeIn({ ...parts, site }, 'prose-ship.yaml', 'variables'),
    message: 'the profile public needs an address that can be reached, and 10.0.0.1 cannot',
    remedy: 'Give the one that the router has outside, or choose the profile intranet.',
  });
});

test('every rule that is broken is told at once, and rules see the versions that the site builds', async (t) => {
  const problems = await problemsOf(t, { ...parts, site: "profile: public\nvariables: {address: '::1'}\ncomponents: {server: {version: 1.9.3}}\n" });
  t.deepEqual(problems.map(({ code, message }) => `${code}: ${message}`), [
    'E_RULE: the profile public needs an address that can be reached, and ::1 cannot',
    'E_RULE: server 1.9.3 knows no calls',
  ]);
});

test('a warning warns, and the site loads', async (t) => {
  const warnings: string[] = [];
  await loadParts(t, { ...parts, site: 'profile: intranet\n' }, warnings);
  t.deepEqual(warnings, ['prose-ship.yaml:1:1: calls from outside never reach example.org. Set turn: false.']);
});

test('without a broken rule there is nothing to say', async (t) => {
  const warnings: string[] = [];
  await loadParts(t, { ...parts, site: 'profile: intranet\nvariables: {turn: false, address: 10.0.0.1}\n' }, warnings);
  await loadParts(t, { ...parts, site: 'profile: public\n' }, warnings);
  t.deepEqual(warnings, []);
});

test('a mistake in a message is placed in the recipe', async (t) => {
  const spoilt = { ...parts, top: (parts.top ?? '').replace('{{ address }}', '{{ adress }}'), site: 'profile: public\nvariables: {address: 10.0.0.1}\n' };
  const problems = await problemsOf(t, spoilt);
  const found = problems.find(({ code }) => code === 'E_UNDEFINED_VARIABLE');
  t.is(found?.at, placeIn(spoilt, 'own/recipe.yaml', "'the profile public"));
});

const hidden = ['10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '127.0.0.1', '169.254.3.4', '100.64.0.1', '0.0.0.0', '::1', '::', 'fd00::1', 'fe80::1', '::ffff:192.168.1.1'];
const reachable = ['192.0.2.1', '203.0.113.9', '8.8.8.8', '172.32.0.1', '100.128.0.1', '2001:db8::1', '2a00::1', '::ffff:8.8.8.8'];

test('addresses that only their own network reaches', (t) => {
  for (const address of hidden) t.true(isPrivateAddress(address), address);
  for (const address of [...reachable, '', 'example.org', '10.0.0', '10.0.0.1/8']) t.false(isPrivateAddress(address), address);
});
