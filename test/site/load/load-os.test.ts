import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { createContext } from '../../../src/context.ts';
import { ShipError } from '../../../src/errors.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import { requireOs, resolveOsSecrets } from '../../../src/site/os-settings.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { goodSite, problemsOf, temporarySite } from '../temporary-site.ts';

const execute = promisify(execFile);
const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f anna@desk';
/** Two bytes short, so its length-prefixed string reaches over the end. */
const cutKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHQ==';

interface Case {
  /** Line 8 of the file, below `os:` and its keys. */
  readonly line: string;
  readonly code: string;
  readonly column: number;
  readonly message?: RegExp;
  readonly remedy: RegExp;
}

const cases: Record<string, Case> = {
  'unknown key': { line: 'hostnam: pi', code: 'E_UNKNOWN_KEY', column: 3, remedy: /Did you mean 'hostname'\?/ },
  'unknown base': { line: 'base: raspios-light', code: 'E_BAD_BASE', column: 9, message: /'raspios-light'/, remedy: /Did you mean 'raspios-lite'\?.*path/ },
  'upper-case hostname': { line: 'hostname: Kitchen_Pi', code: 'E_BAD_HOSTNAME', column: 13, remedy: /Write it as 'kitchen-pi'/ },
  'hostname with a domain': { line: 'hostname: pi.local', code: 'E_BAD_HOSTNAME', column: 13, remedy: /Write it as 'pi'/ },
  'hostname of 64 characters': { line: `hostname: ${'a'.repeat(64)}`, code: 'E_BAD_HOSTNAME', column: 13, remedy: /Write it as 'a{63}'/ },
  'hostname that is a number': { line: "hostname: '42'", code: 'E_BAD_HOSTNAME', column: 13, remedy: /pi42/ },
  'hostname of nothing usable': { line: "hostname: '-'", code: 'E_BAD_HOSTNAME', column: 13, remedy: /at most 63/ },
  root: { line: 'user: root', code: 'E_BAD_USER', column: 9, message: /taken by the system/, remedy: /Nobody logs in as root/ },
  'user of the system': { line: 'user: www-data', code: 'E_BAD_USER', column: 9, remedy: /another name/ },
  'user of the service': { line: 'user: prose-ship', code: 'E_BAD_USER', column: 9, remedy: /another name/ },
  'group of the system as user': { line: 'user: audio', code: 'E_BAD_USER', column: 9, remedy: /another name/ },
  'user in capitals': { line: 'user: Anna', code: 'E_BAD_USER', column: 9, remedy: /Lower-case/ },
  'user of 33 characters': { line: `user: ${'a'.repeat(33)}`, code: 'E_BAD_USER', column: 9, remedy: /at most 32/ },
  'unknown timezone': { line: 'timezone: Europe/Berlim', code: 'E_BAD_TIMEZONE', column: 13, message: /'Europe\/Berlim'/, remedy: /Did you mean 'Europe\/Berlin'\?/ },
  'timezone in lower case': { line: 'timezone: europe/berlin', code: 'E_BAD_TIMEZONE', column: 13, remedy: /'Europe\/Berlin'/ },
  'offset as timezone': { line: "timezone: '+01:00'", code: 'E_BAD_TIMEZONE', column: 13, remedy: /Time zones|Did you mean/ },
  'unknown locale': { line: 'locale: en_ZZ.UTF-8', code: 'E_BAD_LOCALE', column: 11, remedy: /en_GB\.UTF-8/ },
  'locale without its charset': { line: 'locale: de_de', code: 'E_BAD_LOCALE', column: 11, remedy: /Write it as 'de_DE\.UTF-8'/ },
  'unknown keyboard': { line: 'keyboard: uk', code: 'E_BAD_KEYBOARD', column: 13, remedy: /'gb' or 'us'/ },
  'country that does not exist': { line: 'wifi: {country: XX}', code: 'E_BAD_COUNTRY', column: 19, remedy: /ISO 3166-1/ },
  'UK as country': { line: 'wifi: {country: UK}', code: 'E_BAD_COUNTRY', column: 19, remedy: /'GB'/ },
  'network without a country': { line: 'wifi: {network: {ssid: a, passphrase: {env: A}}}', code: 'E_MISSING_VALUE', column: 3, remedy: /Add `country`/ },
  'network name of 33 bytes': { line: `wifi: {country: DE, network: {ssid: ${'ä'.repeat(17)}, passphrase: {env: A}}}`, code: 'E_BAD_SSID', column: 39, remedy: /32 bytes/ },
  'package with a version': { line: 'packages: [vim=9.1]', code: 'E_BAD_PACKAGE', column: 14, remedy: /without a version/ },
  'port out of range': { line: 'ports: [{port: 0}]', code: 'E_BAD_VALUE', column: 18, remedy: /At least 1/ },
  'unknown preload': { line: 'preload: stor', code: 'E_BAD_VALUE', column: 12, remedy: /Did you mean 'store'\?/ },
  'size without a unit': { line: "size: '4000'", code: 'E_BAD_SIZE', column: 9, remedy: /4GiB/ },
  'size too small': { line: 'size: 100MiB', code: 'E_BAD_SIZE', column: 9, remedy: /From 1GiB/ },
};

for (const [title, { line, code, column, message, remedy }] of Object.entries(cases)) {
  test(`refuses ${title}`, async (t) => {
    const problems = await problemsOf(t, { 'prose-ship.yaml': `${goodSite}os:\n  authorizedKeys: ['${key}']\n  ${line}\n` });
    t.deepEqual(problems.map((problem) => [problem.code, problem.at]), [[code, `prose-ship.yaml:8:${column}`]]);
    if (message) t.regex(problems[0]?.message ?? '', message);
    t.regex(problems[0]?.remedy ?? '', remedy);
  });
}

const badKeys: Record<string, readonly [line: string, code: string, message: RegExp]> = {
  'a word': ['hello', 'E_BAD_KEY', /not a public key/],
  'no data': ['ssh-ed25519', 'E_BAD_KEY', /no base64/],
  'no base64': ['ssh-ed25519 AAAA!!!!', 'E_BAD_KEY', /no base64/],
  'a cut key': [cutKey, 'E_BAD_KEY', /cut off/],
  'another type inside': [key.replace('ssh-ed25519', 'ssh-rsa'), 'E_BAD_KEY', /another type/],
  'a misspelt type': [key.replace('ssh-ed25519', 'ssh-ed2551'), 'E_BAD_KEY', /not a public key/],
  'options before the key': [`command="true" ${key}`, 'E_BAD_KEY', /not a public key/],
  'a DSA key': ['ssh-dss AAAAB3NzaC1kc3M=', 'E_BAD_KEY', /DSA/],
};

for (const [title, [line, code, message]] of Object.entries(badKeys)) {
  test(`refuses as key ${title}`, async (t) => {
    const problems = await problemsOf(t, { 'prose-ship.yaml': `${goodSite}os:\n  authorizedKeys:\n    - '${line}'\n` });
    t.deepEqual(problems.map((problem) => [problem.code, problem.at]), [[code, 'prose-ship.yaml:8:7']]);
    t.regex(problems[0]?.message ?? '', message);
    t.regex(problems[0]?.remedy ?? '', /\w/);
  });
}

test('keys that ssh-keygen makes are taken; weak and private ones are not, and a private one is never shown', async (t) => {
  const directory = await temporaryDirectory('keys');
  const make = (...words: string[]) => execute('ssh-keygen', ['-q', '-N', '', '-C', 'a b', '-f', path.join(directory, words.join('')), '-t', ...words]);
  await Promise.all([make('ed25519'), make('ecdsa', '-b', '256'), make('ecdsa', '-b', '521'), make('rsa', '-b', '2048'), make('rsa', '-b', '1024')]);
  const file = (name: string) => `{file: ${path.join(directory, name)}}`;
  const good = ['ed25519.pub', 'ecdsa-b256.pub', 'ecdsa-b521.pub', 'rsa-b2048.pub'].map(file).join(', ');
  const site = await temporarySite(t, { 'prose-ship.yaml': `${goodSite}os: {authorizedKeys: [${good}]}\n` });
  t.is((await loadDeployment(createContext(), path.join(site, 'prose-ship.yaml'))).site.os?.authorizedKeys.length, 4);

  const bad = await problemsOf(t, { 'prose-ship.yaml': `${goodSite}os: {authorizedKeys: [${file('rsa-b1024.pub')}, ${file('ed25519')}, {file: ./nowhere.pub}]}\n` });
  t.deepEqual(bad.map(({ code }) => code), ['E_BAD_KEY', 'E_PRIVATE_KEY', 'E_MISSING_FILE']);
  t.regex(bad[0]?.message ?? '', /RSA key of 1024 bits/);
  const { stdout: secret } = await execute('sed', ['-n', '2p', path.join(directory, 'ed25519')]);
  const pasted = await problemsOf(t, { 'prose-ship.yaml': `${goodSite}os:\n  authorizedKeys:\n    - |\n      -----BEGIN OPENSSH PRIVATE KEY-----\n      ${secret.trim()}\n` });
  t.deepEqual(pasted.map(({ code, at }) => [code, at]), [['E_PRIVATE_KEY', 'prose-ship.yaml:8:7']]);
  t.false(JSON.stringify([...bad, ...pasted]).includes(secret.trim().slice(0, 20)));
});

test('a card without a key is refused', async (t) => {
  const problems = await problemsOf(t, { 'prose-ship.yaml': `${goodSite}os: {authorizedKeys: []}\n` });
  t.like(problems[0], { code: 'E_BAD_VALUE', at: 'prose-ship.yaml:6:22', remedy: 'At least 1, in entries.' });
});

test('a passphrase in the file is refused and not shown', async (t) => {
  const problems = await problemsOf(t, { 'prose-ship.yaml': `${goodSite}os:\n  authorizedKeys: ['${key}']\n  wifi: {country: DE, network: {ssid: home, passphrase: correct horse}}\n` });
  t.like(problems[0], { code: 'E_SECRET_IN_PLAIN_TEXT', at: 'prose-ship.yaml:8:57' });
  t.regex(problems[0]?.remedy ?? '', /^Say where it comes from: passphrase: \{env: PASSPHRASE\}/);
  t.false(JSON.stringify(problems).includes('horse'));
});

test('fills in defaults, and what the recipe adds', async (t) => {
  const text = `${goodSite}variables: {client_port: 5333}\nos: {authorizedKeys: ['${key}'], packages: [vim, htop], ports: [{port: 80}, {port: 5333}], base: ./my.img.xz, size: 4GiB, timezone: Asia/Kolkata}\n`;
  const directory = await temporarySite(t, { 'prose-ship.yaml': text });
  const deployment = await loadDeployment(createContext(), path.join(directory, 'prose-ship.yaml'));
  t.deepEqual(requireOs(deployment), {
    base: path.join(directory, 'my.img.xz'),
    hostname: 'demo',
    user: 'pi',
    authorizedKeys: [key],
    locale: 'C.UTF-8',
    keyboard: 'us',
    timezone: 'Asia/Kolkata',
    packages: ['htop', 'vim'],
    ports: [{ port: 80, protocol: 'tcp' }, { port: 5269, protocol: 'tcp' }, { port: 5333, protocol: 'tcp' }],
    firewall: true,
    securityUpdates: true,
    preload: 'store',
    sizeBytes: 4 * 1024 ** 3,
    requires: { engine: '20.10.0', compose: '2.17.0' },
  });
});

test('a recipe opens no port for a template that renders to nothing; a bad one is told at its place', async (t) => {
  const closed = await temporarySite(t, { 'prose-ship.yaml': `${goodSite}variables: {federation: false}\nos: {authorizedKeys: ['${key}']}\n` });
  t.deepEqual((await loadDeployment(createContext(), path.join(closed, 'prose-ship.yaml'))).site.os?.ports, [{ port: 5222, protocol: 'tcp' }]);
});

test('without `os` there is no card', async (t) => {
  const directory = await temporarySite(t, { 'prose-ship.yaml': goodSite });
  const deployment = await loadDeployment(createContext(), path.join(directory, 'prose-ship.yaml'));
  t.is(deployment.site.os, undefined);
  const error = t.throws<ShipError>(() => requireOs(deployment), { instanceOf: ShipError });
  t.like(error, { code: 'E_MISSING_VALUE', exitStatus: 2 });
  t.regex(error.remedy ?? '', /authorizedKeys/);
});

test('the passphrase comes from where the site says, and is checked without being shown', async (t) => {
  const directory = await temporarySite(t, { 'prose-ship.yaml': `${goodSite}os: {authorizedKeys: ['${key}'], wifi: {country: DE, network: {ssid: home, passphrase: {env: WIFI}}}}\n` });
  const load = async (passphrase: string) => {
    const context = createContext({ environment: { ...process.env, WIFI: passphrase } });
    return resolveOsSecrets(context, requireOs(await loadDeployment(context, path.join(directory, 'prose-ship.yaml'))));
  };
  t.is((await load('correct horse')).wifi?.network?.passphrase.reveal(), 'correct horse');
  for (const [passphrase, message] of [['shorter', /has 7 characters/], ['x'.repeat(64), /has 64 characters/], ['pässwörter', /beyond ASCII/]] as const) {
    const error = await t.throwsAsync<ShipError>(load(passphrase), { instanceOf: ShipError });
    t.like(error, { code: 'E_BAD_PASSPHRASE', exitStatus: 2 });
    t.regex(error.message, message);
    t.false(JSON.stringify(error).includes(passphrase));
  }
});
