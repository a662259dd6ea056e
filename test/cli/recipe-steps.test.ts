import { writeFile, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { recipeSite } from '../support/site/recipe-site.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { jsonLines, proseShip } from './prose-ship.ts';

const top = `profiles:
  public: {description: For everybody., variables: {port: 5223}}
  home: {description: Behind a router., required: [address]}
steps:
  - title: Forward the port
    text: |
      At the router: TCP {{ port }}
      to {{ site.name }}.
  - {title: Pay the provider, text: 'Once a year.', when: site.profile == "public"}
`;
const variables = '  port: {type: port, description: Port of clients., default: 5222}\n  address: {type: string, description: Address of the host., default: 10.0.0.1}\n';

async function recipeFolder(site: string): Promise<string> {
  const directory = await temporaryDirectory('cli');
  for (const [name, text] of Object.entries(recipeSite({ variables, top, site }))) {
    await mkdir(path.dirname(path.join(directory, name)), { recursive: true });
    await writeFile(path.join(directory, name), text);
  }
  return directory;
}

const told = `What is left for you to do:
  1. Forward the port
     At the router: TCP 5223
     to demo.
  2. Pay the provider
     Once a year.`;

test("steps prints what is left to do with the site's values, and check ends with it", async (t) => {
  const cwd = await recipeFolder('profile: public\n');
  t.is((await proseShip(['steps'], { cwd })).stdout, told);
  const { stdout } = await proseShip(['check'], { cwd });
  t.true(stdout.startsWith('demo 1.0.0 for example.org: recipe own 1.0.0, profile public, linux/arm/v7'), stdout);
  t.true(stdout.endsWith(`No problems.\n\n${told}`), stdout);
  const result = jsonLines(t, (await proseShip(['steps', '--json'], { cwd })).stdout).at(-1);
  t.deepEqual(result?.['steps'], [{ title: 'Forward the port', text: 'At the router: TCP 5223\nto demo.' }, { title: 'Pay the provider', text: 'Once a year.' }]);
});

test('init asks for a profile, takes one, and shows its defaults', async (t) => {
  const cwd = await recipeFolder('profile: public\n');
  const init = (...more: string[]) => proseShip(['init', 'new', '--domain', 'chat.example.org', '--recipe', '../own', ...more], { cwd });
  const unasked = await init();
  t.is(unasked.exitCode, 2);
  t.regex(unasked.stderr, /E_NO_PROFILE[^]*Give one with --profile: public, home\./);
  const unknown = await init('--profile', 'hme');
  t.is(unknown.exitCode, 2);
  t.regex(unknown.stderr, /E_UNKNOWN_PROFILE[^]*Did you mean 'home'\?/);
  t.is((await init('--profile', 'public')).exitCode, 0);
  const text = await readFile(path.join(cwd, 'new/prose-ship.yaml'), 'utf8');
  t.regex(text, /^# {3}home: Behind a router\.\nprofile: public$/m);
  t.regex(text, /^ {2}# port: 5223$/m);
  t.is((await proseShip(['check', '--config', 'new/prose-ship.yaml'], { cwd })).exitCode, 0);
});
