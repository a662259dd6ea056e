import path from 'node:path';
import test from 'ava';
import { createContext } from '../../src/context.ts';
import { loadDeployment } from '../../src/site/load.ts';
import { builtInRecipes } from '../../src/site/recipe/locate-recipe.ts';
import { recipeVariables } from '../../src/site/recipe/recipe-variables.ts';
import { siteSchema } from '../../src/site/schema/site-schema.ts';
import { siteTemplate } from '../../src/site/site-template.ts';
import { problemsOf, temporarySite } from './temporary-site.ts';

test('the file that init writes loads without problems, for every built-in recipe', async (t) => {
  for (const recipe of await builtInRecipes()) {
    const answers = { name: '2024', domain: 'chat.example.org', recipe, hosts: { pi: 'pi@raspberrypi.local', cellar: { address: 'fe80::1', user: 'pi', port: 2222 } } };
    const variables = await recipeVariables(recipe, '.');
    const required = variables.filter((one) => one.required).map(({ name }) => name);
    // What a recipe requires is left open; a person fills it in.
    const filledIn = (text: string) => required.reduce((sum, name) => sum.replace(new RegExp(`^  ${name}:.*$`, 'm'), `  ${name}: Example`).replace('variables: {}', `variables: {${name}: Example}`), text);
    const written = { 'prose-ship.yaml': filledIn(siteTemplate({ ...answers, variables })), 'plain.yaml': filledIn(siteTemplate(answers)) };
    if (recipe === 'prose-pod') {
      // Its trees are the site's to name.
      t.deepEqual([...new Set((await problemsOf(t, written)).map(({ code }) => code))], ['E_MISSING_SOURCE']);
      continue;
    }
    const directory = await temporarySite(t, written);
    const file = path.join(directory, 'prose-ship.yaml');
    const deployment = await loadDeployment(createContext(), file);
    t.like(deployment.site, { name: '2024', domain: 'chat.example.org', version: '1.0.0' });
    t.deepEqual(deployment.site.hosts, [{ name: 'pi', address: 'raspberrypi.local', user: 'pi' }, { name: 'cellar', address: 'fe80::1', user: 'pi', port: 2222 }]);
    t.deepEqual((await loadDeployment(createContext(), path.join(directory, 'plain.yaml'))).variables, deployment.variables);
  }
});

test('it explains every key of the schema and every variable of the recipe', async (t) => {
  const variables = await recipeVariables('prosody', '.');
  const text = siteTemplate({ name: 'demo', domain: 'example.org', recipe: 'prosody', variables });
  for (const key of Object.keys(siteSchema.shape)) t.regex(text, new RegExp(`^(?:# )?${key}:`, 'm'));
  for (const { name, description } of variables) t.true(text.includes(name) && text.includes(description));
});

test('uncommented defaults are valid', async (t) => {
  const text = siteTemplate({ name: 'demo', domain: 'example.org', recipe: 'prosody', variables: await recipeVariables('prosody', '.') });
  const uncommented = text.replace('variables: {}', 'variables:').replace('secrets: {}', 'secrets:').replaceAll(/^ {2}# (\w+: [^(]*)$/gm, '  $1');
  t.regex(uncommented, /^ {2}rooms_domain: "groups\.example\.org"$/m);
  const directory = await temporarySite(t, { 'prose-ship.yaml': uncommented });
  const deployment = await loadDeployment(createContext(), path.join(directory, 'prose-ship.yaml'));
  t.is(deployment.variables['rooms_domain'], 'groups.example.org');
});

test('what a recipe requires is left open, and check asks for it', async (t) => {
  const directory = await temporarySite(t, {});
  const variables = await recipeVariables('./static-web', directory);
  const problems = await problemsOf(t, { 'prose-ship.yaml': siteTemplate({ name: 'web', domain: 'example.org', recipe: './static-web', variables }) });
  t.deepEqual(problems.map(({ code, message }) => [code, message]), [['E_WRONG_TYPE', '`variables.title` cannot be empty']]);
});
