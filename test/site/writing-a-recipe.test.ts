import { appendFile, readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { createContext } from '../../src/context.ts';
import { loadDeployment } from '../../src/site/load.ts';
import { renderDeployment } from '../../src/site/render.ts';
import { temporarySite } from './temporary-site.ts';

test('the example of docs/recipes/writing-a-recipe.md works', async (t) => {
  const page = await readFile(path.resolve(import.meta.dirname, '../../docs/recipes/writing-a-recipe.md'), 'utf8');
  const example = (name: string) => new RegExp(`\`${name}\`:\n\n\`\`\`\\w*\n([^]*?)\`\`\``).exec(page)?.[1] ?? '';
  const files = ['recipe.yaml', 'compose.yaml', 'templates/nginx.conf', 'rules.yaml'].map((name) => [`page/${name}`, example(name)] as const);
  const directory = await temporarySite(t, {
    ...Object.fromEntries(files),
    'page/web.Dockerfile': 'FROM nginx:1.29-alpine-slim\n',
    'page/content/index.html': '',
    'prose-ship.yaml': 'schema: 1\nname: page\nversion: 1.0.0\nrecipe: ./page\ndomain: example.org\n',
  });
  const deployment = await loadDeployment(createContext(), path.join(directory, 'prose-ship.yaml'));
  const { files: rendered } = await renderDeployment(deployment, new Map([['web', 'example/page:1.0.0-0123456789ab']]));
  t.is(rendered[0]?.content.toString(), 'server { listen 80; server_name example.org; root /usr/share/nginx/html; }\n');

  await appendFile(path.join(directory, 'page/recipe.yaml'), 'include: {rules: rules.yaml}\n');
  await appendFile(path.join(directory, 'prose-ship.yaml'), 'variables: {http_port: 80}\n');
  const error = await t.throwsAsync(loadDeployment(createContext(), path.join(directory, 'prose-ship.yaml')), { code: 'E_RULE' });
  t.regex(error.message, /Port 80 belongs to nginx/);
});
