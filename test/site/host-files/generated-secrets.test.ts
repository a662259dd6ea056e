import test from 'ava';
import { renderDeployment } from '../../../src/site/render.ts';
import { loadParts, placeIn, problemsOf, type RecipeParts } from '../../support/site/recipe-site.ts';

const parts: RecipeParts = {
  variables: '  token: {type: secret, description: Secret of the relay., generate: true}\n',
  top: "host:\n  files: [{path: /etc/relay.conf, template: relay}]\n",
  files: { relay: "{% if token %}secret={{ 'token' | secret_file }}{% endif %}\n" },
};
const references = new Map([['server', 'a:1']]);

test('a secret that the site leaves out is made by the host', async (t) => {
  const { secrets, generatedSecrets, hostFiles } = await renderDeployment(await loadParts(t, parts), references);
  t.deepEqual({ secrets, generatedSecrets }, { secrets: ['token'], generatedSecrets: ['token'] });
  t.is(hostFiles[0]?.content.toString(), 'secret=/var/lib/prose-ship/secrets/token\n');
});

test('one that the site gives is not', async (t) => {
  const { secrets, generatedSecrets } = await renderDeployment(await loadParts(t, { ...parts, site: 'secrets: {token: {env: TOKEN}}\n' }), references);
  t.deepEqual({ secrets, generatedSecrets }, { secrets: ['token'], generatedSecrets: [] });
});

test('its value is printed nowhere', async (t) => {
  const [problem] = await problemsOf(t, { ...parts, files: { relay: '{{ token }}' } });
  t.like(problem, { code: 'E_SECRET_IN_TEMPLATE', at: 'own/relay:1:1' });
});

test('in plain text in the site it is refused, with the way out', async (t) => {
  const site = 'variables: {token: hunter2}\n';
  const [problem] = await problemsOf(t, { ...parts, site });
  t.like(problem, { code: 'E_SECRET_IN_PLAIN_TEXT', at: placeIn({ ...parts, site }, 'prose-ship.yaml', 'hunter2') });
  t.regex(problem?.remedy ?? '', /^Remove it: each host makes one of its own\. Or say under `secrets`/);
  t.false(JSON.stringify(problem).includes('hunter2'));
});

test('only secrets are made, and none that is required or that a build needs', async (t) => {
  const wrong: [string, string][] = [
    ['type: string, default: x', 'is no secret'],
    ['type: secret, required: true', 'is required of the site and made by the host'],
  ];
  for (const [type, message] of wrong) {
    const spoilt = { ...parts, variables: `  token: {${type}, generate: true, description: x}\n` };
    const problem = (await problemsOf(t, spoilt)).find(({ code }) => code === 'E_BAD_VALUE');
    t.is(problem?.at, placeIn(spoilt, 'own/recipe.yaml', 'true, description: x}'));
    t.true(problem?.message.includes(message));
  }
  const built = { ...parts, components: '  web: {image: example/web, version: 1.0.0, source: content, dockerfile: Dockerfile, secrets: {id: token}}\n', services: '    - {name: web, component: web}\n' };
  const problem = (await problemsOf(t, built)).find(({ code }) => code === 'E_BAD_VALUE');
  t.is(problem?.at, placeIn(built, 'own/recipe.yaml', 'token}'));
});
