import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { createContext } from '../../src/context.ts';
import { ExitStatus, ShipError } from '../../src/errors.ts';
import { readAllowedSigners } from '../../src/site/allowed-signers.ts';
import { loadDeployment } from '../../src/site/load.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { goodSite, problemsOf, temporarySite } from './temporary-site.ts';

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f';

const good: Record<string, string> = {
  'a name and a key': `ci@example.org ${key}\n`,
  'several names, options, a comment': `# who\n\nci@example.org,anna@example.org namespaces="git,prose-ship-release",valid-after="20260101",valid-before="202801010000Z" ${key} a desk\n`,
  'a quoted name, and a pattern of purposes': `"Anna of CI" namespaces="prose-ship-*" ${key}\n`,
  'an authority': `*@example.org cert-authority ${key}\n`,
  'somebody for another purpose beside somebody for this': `git@example.org namespaces="git" ${key}\nci@example.org NAMESPACES="prose-ship-release" ${key}\n`,
};

const bad: Record<string, readonly [content: string, message: RegExp, line?: number]> = {
  'nothing': ['', /names nobody who may sign for 'prose-ship-release'/],
  'comments alone': ['# nobody yet\n', /names nobody/],
  'somebody for another purpose alone': [`ci@example.org namespaces="git" ${key}\n`, /names nobody/],
  'a key without a name': [`# first\n${key} ci@example.org\n`, /Line 2 of '.*' has no name before the key/, 2],
  'a name without a key': ['ci@example.org\n', /has a key that is not a public key of OpenSSH/, 1],
  'a key that was cut': [`ci@example.org ${key.slice(0, -8)}\n`, /has a key that/, 1],
  'a misspelt option': [`ci@example.org valid-untill="20270101" ${key}\n`, /has the unknown option 'valid-untill'/, 1],
  'a date that is none': [`ci@example.org valid-before="2027-01-01" ${key}\n`, /has the date '2027-01-01', which is none/, 1],
  'a private key': ['-----BEGIN OPENSSH PRIVATE KEY-----\n', /is a private key/, 1],
};

for (const [title, content] of Object.entries(good)) {
  test(`takes ${title}`, async (t) => {
    const file = path.join(await temporaryDirectory('signers'), 'signers');
    await writeFile(file, content.replaceAll('\n', '\r\n'));
    t.deepEqual(await readAllowedSigners(file), { file, content });
  });
}

for (const [title, [content, message, line]] of Object.entries(bad)) {
  test(`refuses ${title}`, async (t) => {
    const file = path.join(await temporaryDirectory('signers'), 'signers');
    await writeFile(file, content);
    const error = await t.throwsAsync(readAllowedSigners(file), { instanceOf: ShipError, message });
    t.is(error.code, 'E_BAD_ALLOWED_SIGNERS');
    t.is(error.exitStatus, ExitStatus.usage);
    t.deepEqual(error.place, { file, ...(line === undefined ? {} : { line }) });
    t.regex(error.remedy ?? '', /docs\/using\/signing\.md/);
  });
}

test('a site names its key and its signers; a card gets them', async (t) => {
  const os = `os:\n  authorizedKeys: ['${key}']\n`;
  const directory = await temporarySite(t, {
    'prose-ship.yaml': `${goodSite}signing: {key: keys/release.pub}\nallowedSigners: signers\n${os}`,
    signers: good['a name and a key']!,
  });
  const { site } = await loadDeployment(createContext(), path.join(directory, 'prose-ship.yaml'));
  t.deepEqual(site.signing, { key: path.join(directory, 'keys/release.pub') });
  t.deepEqual(site.allowedSigners, { file: path.join(directory, 'signers'), content: await readFile(path.join(directory, 'signers'), 'utf8') });
  t.is(site.os?.allowedSigners, site.allowedSigners?.content);
});

test('a file of signers that is missing or wrong is told at the key that names it', async (t) => {
  const missing = await problemsOf(t, { 'prose-ship.yaml': `${goodSite}allowedSigners: nowhere\n` });
  t.deepEqual(missing.map(({ code, at }) => [code, at]), [['E_MISSING_FILE', 'prose-ship.yaml:6:17']]);
  const wrong = await problemsOf(t, { 'prose-ship.yaml': `${goodSite}allowedSigners: signers\n`, signers: '# nobody\n' });
  t.deepEqual(wrong.map(({ code, at }) => [code, at]), [['E_BAD_ALLOWED_SIGNERS', 'prose-ship.yaml:6:17']]);
  const keyless = await problemsOf(t, { 'prose-ship.yaml': `${goodSite}signing: {}\n` });
  t.deepEqual(keyless.map(({ code }) => code), ['E_MISSING_VALUE']);
});
