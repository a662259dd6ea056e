import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { loadParts, problemsOf, type RecipeParts } from '../../support/site/recipe-site.ts';

const page = path.resolve(import.meta.dirname, '../../../docs/recipes/writing-a-recipe.md');

/** The extended example of docs/recipes/writing-a-recipe.md with the files that it names. */
async function example(t: ExecutionContext, site: string): Promise<RecipeParts> {
  const recipe = /```yaml\n# extended\/recipe\.yaml\n([^]*?)```/.exec(await readFile(page, 'utf8'))?.[1];
  t.truthy(recipe, 'the page holds the example');
  const relay = "{% if relay %}  relay: {image: {{ 'relay' | image }}, restart: always}\n{% endif %}";
  return {
    site,
    files: {
      'recipe.yaml': recipe ?? '',
      'compose.yaml': `name: {{ site.name | json }}\nservices:\n  web: {image: {{ 'web' | image }}, restart: always}\n${relay}`,
      'web.Dockerfile': 'FROM scratch\n',
      'templates/vhost.conf': 'server_name {{ site.domain }};\n',
    },
  };
}

test('its profiles differ in services, packages and steps', async (t) => {
  const open = await loadParts(t, await example(t, 'profile: public\nvariables: {address: 192.0.2.1}\n'));
  t.deepEqual(open.recipe.components.map(({ name }) => name), ['web', 'relay']);
  t.deepEqual(open.recipe.packages, ['certbot', 'nginx']);
  t.deepEqual(open.recipe.steps?.map(({ text }) => text), ['At the router, forward TCP 80 and 443 to demo.']);
  const closed = await loadParts(t, await example(t, 'profile: intranet\n'));
  t.deepEqual(closed.recipe.components.map(({ name }) => name), ['web']);
  t.deepEqual(closed.recipe.packages, ['nginx']);
  t.is(closed.recipe.steps, undefined);
  t.deepEqual(closed.recipe.host?.files.map((file) => file.path), ['/etc/nginx/sites-enabled/demo.conf']);
  t.is(closed.variables['address'], '192.168.1.2');
});

test('its rules refuse and warn', async (t) => {
  const [problem] = await problemsOf(t, await example(t, 'profile: public\nvariables: {address: 10.0.0.1}\n'));
  t.like(problem, { code: 'E_RULE', message: 'nobody on the internet reaches 10.0.0.1' });
  const warnings: string[] = [];
  await loadParts(t, await example(t, 'profile: public\nvariables: {address: 192.0.2.1, tls: false}\n'), warnings);
  t.deepEqual(warnings, ['prose-ship.yaml:7:1: passwords cross the internet readable. Leave `tls` on.']);
});
