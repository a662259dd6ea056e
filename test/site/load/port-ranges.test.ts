import test from 'ava';
import { loadParts, placeIn, problemsOf, type RecipeParts } from '../../support/site/recipe-site.ts';

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPcGBqYZWuZNsmzE3f0HFTmDJ1gRLrpBLXzQzkZk1t0C anna';
const parts = (port: string): RecipeParts => ({
  variables: '  first: {type: port, description: First., default: 49152}\n',
  top: `os:\n  ports:\n    - {port: '${port}', protocol: udp}\n`,
  site: `os: {authorizedKeys: ['${key}']}\n`,
});

test('a port of a recipe may be a range', async (t) => {
  const { site } = await loadParts(t, parts('{{ first }}-49154'));
  t.deepEqual(site.os?.ports, [49152, 49153, 49154].map((port) => ({ port, protocol: 'udp' })));
});

for (const range of ['{{ first }}-49151', '{{ first }}-50152', '{{ first }}-70000', '{{ first }}-', '1-2-{{ first }}']) {
  test(`${range} is no range`, async (t) => {
    const [problem] = await problemsOf(t, parts(range));
    t.like(problem, { code: 'E_BAD_VALUE', at: placeIn(parts(range), 'own/recipe.yaml', `'${range}'`) });
    t.regex(problem?.remedy ?? '', /a range of at most 1000/);
  });
}
