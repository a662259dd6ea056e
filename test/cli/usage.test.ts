import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { goodSite } from '../site/temporary-site.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { jsonLines, proseShip } from './prose-ship.ts';

const wrong: readonly (readonly [args: string, code: string, remedy: RegExp])[] = [
  ['chek', 'E_USAGE', /^Did you mean check\?$/],
  ['check --jsn', 'E_USAGE', /^Did you mean --json\?$/],
  ['check extra', 'E_USAGE', /prose-ship check --help/],
  ['verify', 'E_USAGE', /prose-ship verify --help/],
  ['build --bases elsewhere', 'E_USAGE', /prose-ship build --help/],
  ['check', 'E_MISSING_FILE', /prose-ship init/],
  ['status pi --config nowhere.yaml', 'E_MISSING_FILE', /--config FILE/],
  ['update', 'E_NO_HOST', /user|pi@raspberrypi\.local/],
  ['update pi', 'E_NO_RELEASE', /--release DIR/],
  ['update -x', 'E_USAGE', /prose-ship update --help/],
  ['status pi@@nowhere', 'E_BAD_HOST', /pi@raspberrypi\.local/],
  ['plan cake', 'E_BAD_STAGE', /build, release, bake, update/],
  ['account borrow pi', 'E_BAD_ACTION', /add, passwd, list/],
  ['account add pi --generate', 'E_NO_JID', /alice@/],
  ['account add pi anna@example.org', 'E_NO_PASSWORD', /--password-stdin/],
  ['account add pi anna@example.org --password-stdin', 'E_BAD_PASSWORD', /--generate/],
  ['doctor pi --fix', 'E_USAGE', /prose-ship provision pi/],
  ['completion tcsh', 'E_BAD_SHELL', /bash, zsh, fish/],
  ['init', 'E_NO_DOMAIN', /--domain/],
  ['verify nowhere', 'E_NO_RELEASE', /prose-ship release/],
];

for (const [line, code, remedy] of wrong) {
  test(`'${line}' is refused with ${code} and exit status 2, for people and for programs`, async (t) => {
    const cwd = await temporaryDirectory('cli');
    const words = line.split(' ');
    const plain = await proseShip(words, { cwd });
    t.is(plain.exitCode, 2, plain.stderr);
    t.is(plain.stdout, '');
    t.is(plain.stderr.split(code).length, 2, 'the code is named once');
    t.notRegex(plain.stderr, /\n {4}at /, 'no stack trace');

    const json = await proseShip([...words, '--json'], { cwd });
    t.is(json.exitCode, 2);
    const last = jsonLines(t, json.stdout).at(-1);
    t.like(last, { type: 'result', ok: false, error: { code } });
    t.regex((last?.['error'] as { remedy: string }).remedy, remedy);
    t.deepEqual(await readdir(cwd), [], 'nothing is left behind');
  });
}

test('without a verb the help is printed to standard error, with exit status 2', async (t) => {
  const plain = await proseShip([]);
  t.is(plain.exitCode, 2);
  t.is(plain.stdout, '');
  t.regex(plain.stderr, /Usage: prose-ship VERB/);
  const json = await proseShip(['--json']);
  t.is(json.exitCode, 2);
  t.like(jsonLines(t, json.stdout).at(-1), { ok: false, error: { code: 'E_USAGE', message: 'No verb is given' } });
});

test('a site is checked: what was asked for on standard output, or one JSON object; global options also stand first', async (t) => {
  const cwd = await temporaryDirectory('cli');
  await writeFile(path.join(cwd, 'my.yaml'), goodSite);
  const plain = await proseShip(['check', '-c', 'my.yaml'], { cwd });
  t.is(plain.exitCode, 0, plain.stderr);
  t.regex(plain.stdout, /^demo 1\.0\.0 for example\.org: .* No problems\.$/);
  t.is(plain.stderr, '');
  const json = await proseShip(['--json', '--config', 'my.yaml', 'check'], { cwd });
  t.is(json.exitCode, 0);
  t.like(jsonLines(t, json.stdout).at(-1), { type: 'result', ok: true, name: 'demo', domain: 'example.org' });
});

test('every problem of a site is told at its place, once', async (t) => {
  const cwd = await temporaryDirectory('cli');
  await writeFile(path.join(cwd, 'prose-ship.yaml'), goodSite.replace('1.0.0', 'one').replace('domain:', 'domian:'));
  const plain = await proseShip(['check'], { cwd });
  t.is(plain.exitCode, 2);
  for (const place of ['prose-ship.yaml:3:', 'prose-ship.yaml:5:']) t.is(plain.stderr.split(place).length, 2, plain.stderr);
  t.regex(plain.stderr, /\d problems$/);
  const json = await proseShip(['check', '--json'], { cwd });
  const { error } = jsonLines(t, json.stdout).at(-1) as unknown as { error: { code: string; problems: { place: { line: number } }[] } };
  t.is(error.code, 'E_CONFIGURATION');
  t.true(error.problems.length >= 2);
});

test('a plan is printed and nothing is made', async (t) => {
  const cwd = await temporaryDirectory('cli');
  await writeFile(path.join(cwd, 'prose-ship.yaml'), goodSite);
  const plain = await proseShip(['build', '--dry-run'], { cwd });
  t.is(plain.exitCode, 0, plain.stderr);
  t.regex(plain.stdout, /^server: for linux\/arm\/v7, linux\/arm64\n {2}source: /);
  for (const line of plain.stdout.split('\n')) t.regex(line, /^\S+: |^ {2}\S/);
  const json = await proseShip(['plan', 'release', '--json'], { cwd });
  t.like(jsonLines(t, json.stdout).at(-1), { ok: true, plan: { directory: path.join(cwd, 'build/release/demo-1.0.0') } });
  t.deepEqual(await readdir(cwd), ['prose-ship.yaml']);
});
