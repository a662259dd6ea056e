import test from 'ava';
import { loadParts, placeIn, problemsOf, type RecipeParts } from '../../support/site/recipe-site.ts';

const parts: RecipeParts = {
  variables: "  elsewhere: {type: boolean, description: Whether the data is elsewhere., default: false}\n",
  top: `data:
  version: 3
  volumes: [data]
  names: {domain: '{{ site.domain }}', rooms: '{% if rooms %}rooms.{{ site.domain }}{% endif %}', none: '{% if elsewhere %}x{% endif %}'}
  rename: {service: server, command: [rename, '--in={{ site.name }}']}
  renameImpossible: |
    {%- if elsewhere %}
    It is
    elsewhere.
    {%- endif %}
`,
};

test('names and the command that renames, with the values of the site', async (t) => {
  const { site, recipe } = await loadParts(t, parts);
  t.deepEqual(recipe.data, {
    version: 3,
    volumes: ['data'],
    names: { domain: site.domain, rooms: `rooms.${site.domain}` },
    rename: { service: 'server', command: ['rename', `--in=${site.name}`] },
  });
});

test('where it is impossible there is no command, but a reason', async (t) => {
  const { recipe } = await loadParts(t, { ...parts, site: 'variables: {elsewhere: true}\n' });
  t.is(recipe.data.renameImpossible, 'It is elsewhere.');
  t.is(recipe.data.rename, undefined);
  t.is(recipe.data.names?.['none'], 'x');
});

test('a recipe without names has none', async (t) => {
  const { recipe } = await loadParts(t, { ...parts, top: 'data: {version: 1, volumes: [data]}\n' });
  t.deepEqual(recipe.data, { version: 1, volumes: ['data'] });
});

test('what cannot be right is refused where it stands', async (t) => {
  const top = (change: (text: string) => string) => ({ ...parts, top: change(parts.top!) });
  const unknown = top((text) => text.replace('service: server', 'service: sever'));
  t.like((await problemsOf(t, unknown))[0], { code: 'E_UNKNOWN_SERVICE', at: placeIn(unknown, 'own/recipe.yaml', 'sever,'), remedy: "Did you mean 'server'?" });
  const nameless = top((text) => text.replace(/ {2}names: .*\n/, ''));
  t.like((await problemsOf(t, nameless))[0], { code: 'E_MISSING_VALUE', message: 'There is nothing to rename: `data.names` is missing' });
  const words = top((text) => text.replace("'{{ site.domain }}'", "'two words'"));
  t.like((await problemsOf(t, words))[0], { code: 'E_BAD_VALUE', at: placeIn(words, 'own/recipe.yaml', "'two words'") });
});
