import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { signerLine, signingKey, writeSigners } from '../support/ssh/signing-key.ts';
import { packedRelease } from '../support/releases/packed-release.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { goodSite } from '../site/temporary-site.ts';
import { jsonLines, proseShip } from './prose-ship.ts';

test('the key is looked for before anything is built, in the options first, then in the site', async (t) => {
  const cwd = await temporaryDirectory('signing');
  const key = await signingKey(cwd, 'ci');
  await writeFile(path.join(cwd, 'prose-ship.yaml'), `${goodSite}signing: {key: elsewhere}\n`);
  const plan = (...args: string[]) => proseShip(['release', '--dry-run', '--json', ...args], { cwd });
  const ofSite = await plan();
  t.is(ofSite.exitCode, 2, ofSite.stderr);
  t.like(jsonLines(t, ofSite.stdout).at(-1), { error: { code: 'E_SIGN_KEY', message: `There is no key '${path.join(cwd, 'elsewhere')}' to sign with`, place: { file: path.join(cwd, 'prose-ship.yaml') } } });
  const missing = await plan('--sign', 'nowhere');
  t.is(missing.exitCode, 2);
  t.like(jsonLines(t, missing.stdout).at(-1), { error: { code: 'E_SIGN_KEY', message: `There is no key '${path.join(cwd, 'nowhere')}' to sign with` } });
  const named = await plan('--sign', 'ci.pub');
  t.is(named.exitCode, 0, named.stderr);
  t.like(jsonLines(t, named.stdout).at(-1), { plan: { signingKey: `${key}.pub` } });
  const unsigned = await plan('--no-sign');
  t.is(unsigned.exitCode, 0, unsigned.stderr);
  t.notRegex(unsigned.stdout, /signingKey/);
});

test('verify asks the list of the site, or the one that is named', async (t) => {
  const cwd = await temporaryDirectory('verify');
  const signers = await writeSigners(path.join(cwd, 'signers'), await signerLine(await signingKey(cwd, 'ci'), 'ci@example.org'));
  const { directory, manifest } = await packedRelease([{ 'etc/base': 'base\n' }]);
  const plain = await proseShip(['verify', directory, '--json'], { cwd });
  t.is(plain.exitCode, 0, plain.stderr);
  t.like(jsonLines(t, plain.stdout).at(-1), { ok: true, id: manifest.id });
  t.regex(plain.stdout, /every digest holds, not signed/);
  const named = await proseShip(['verify', directory, '--json', '--allowed-signers', signers], { cwd });
  t.is(named.exitCode, 3);
  t.like(jsonLines(t, named.stdout).at(-1), { ok: false, error: { code: 'E_SIGNATURE_MISSING' } });
  await writeFile(path.join(cwd, 'prose-ship.yaml'), `${goodSite}allowedSigners: signers\n`);
  const ofSite = await proseShip(['verify', directory, '--json'], { cwd });
  t.like(jsonLines(t, ofSite.stdout).at(-1), { ok: false, error: { code: 'E_SIGNATURE_MISSING' } });
  const push = await proseShip(['push', 'nobody@127.0.0.1:1', '--release', directory, '--json'], { cwd });
  t.is(push.exitCode, 3, 'before anybody is called');
  t.like(jsonLines(t, push.stdout).at(-1), { ok: false, error: { code: 'E_SIGNATURE_MISSING' } });
  const image = await proseShip(['verify', 'card.img', '--allowed-signers', signers], { cwd });
  t.is(image.exitCode, 2);
  t.regex(image.stderr, /card\.img' is no release/);
});
