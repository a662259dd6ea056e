import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { temporarySite } from '../site/temporary-site.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { proseShip } from './prose-ship.ts';

test('init writes a file that check takes, with the variables of the recipe; a second time it refuses', async (t) => {
  const cwd = await temporaryDirectory('cli');
  const words = ['init', 'chat', '--domain', 'chat.example.org', '--host', 'pi@raspberrypi.local'];
  const first = await proseShip(words, { cwd });
  t.is(first.exitCode, 0, first.stderr);
  const file = path.join(cwd, 'chat/prose-ship.yaml');
  t.is(first.stdout, file);
  const text = await readFile(file, 'utf8');
  t.regex(text, /# client_port: 5222/);
  t.regex(text, /pi: pi@raspberrypi\.local/);
  t.is((await proseShip(['check', '--config', file])).exitCode, 0);

  const second = await proseShip(words, { cwd });
  t.is(second.exitCode, 2);
  t.regex(second.stderr, /E_SITE_EXISTS/);
  t.is(await readFile(file, 'utf8'), text);
});

const refused: readonly (readonly [what: string, args: readonly string[], code: string])[] = [
  ['domain', ['--domain', 'x..y'], 'E_BAD_DOMAIN'],
  ['name', ['--domain', 'example.org', '--name', 'BAD NAME'], 'E_BAD_NAME'],
  ['recipe', ['--domain', 'example.org', '--recipe', 'nothing'], 'E_MISSING_RECIPE'],
];

for (const [what, args, code] of refused) {
  test(`init with a bad ${what} leaves no file`, async (t) => {
    const cwd = await temporaryDirectory('cli');
    const { exitCode, stderr } = await proseShip(['init', '.', ...args], { cwd });
    t.is(exitCode, 2);
    t.true(stderr.includes(code), stderr);
    t.notRegex(stderr, /prose-ship\.yaml:\d/, 'no place in a file that is not there');
    t.deepEqual(await readdir(cwd), []);
  });
}

test('init --dry-run prints the file only', async (t) => {
  const cwd = await temporaryDirectory('cli');
  const { exitCode, stdout } = await proseShip(['init', '--domain', 'example.org', '--dry-run'], { cwd });
  t.is(exitCode, 0);
  t.regex(stdout, /^domain: example\.org$/m);
  t.deepEqual(await readdir(cwd), []);
});

test('init takes a recipe of one’s own', async (t) => {
  const cwd = await temporarySite(t, {});
  const { exitCode, stderr } = await proseShip(['init', '--domain', 'example.org', '--recipe', './static-web'], { cwd });
  t.is(exitCode, 0, stderr);
  t.true(existsSync(path.join(cwd, 'prose-ship.yaml')));
});
