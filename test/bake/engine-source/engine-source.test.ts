import { execFile } from 'node:child_process';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { writePiGenStage } from '../../../src/bake/customise/pi-gen-stage.ts';
import { debianEngine, engineSource, fetchKey } from '../../../src/bake/engine-source/engine-source.ts';
import { keyFingerprint } from '../../../src/bake/engine-source/openpgp-key.ts';
import { createContext } from '../../../src/context.ts';
import { parsePlatform } from '../../../src/oci/platform.ts';
import { sampleOs } from '../../support/cards/card.ts';
import { startFileServer } from '../../support/file-server.ts';
import { openpgpKey } from '../../support/openpgp-key.ts';
import { packedRelease } from '../../support/releases/packed-release.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const execute = promisify(execFile);
const script = path.resolve(import.meta.dirname, '../../../src/bake/customise/setup/engine-source.sh');

async function written(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await temporaryDirectory('engine-source');
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(directory, name)), { recursive: true });
    await writeFile(path.join(directory, name), content);
  }
  return directory;
}

for (const algorithm of ['rsa2048', 'ed25519']) {
  test(`the fingerprint of an ${algorithm} key is what gpg says`, async (t) => {
    const { armored, fingerprint } = await openpgpKey(algorithm);
    t.is(keyFingerprint(armored), fingerprint);
    t.is(keyFingerprint(armored.replaceAll('\n', '\r\n')), fingerprint);
  });
}

test('what is no key has no fingerprint', async (t) => {
  const { armored } = await openpgpKey('ed25519');
  t.is(keyFingerprint(''), undefined);
  t.is(keyFingerprint('<html>moved</html>'), undefined);
  t.is(keyFingerprint('-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----'), undefined);
  // Cut off in the middle of its first packet.
  const [head = '', blank = '', first = ''] = armored.split('\n');
  t.is(keyFingerprint([head, blank, first.slice(0, 20), '-----END PGP PUBLIC KEY BLOCK-----'].join('\n')), undefined);
});

test("the release before of Raspberry Pi OS gets Docker's packages, all others Debian's, and the site decides", async (t) => {
  const context = createContext({ cacheDirectory: await temporaryDirectory('cache') });
  t.is(await engineSource(context, {}, 'raspios-lite'), debianEngine);
  t.is(await engineSource(context, { engine: 'debian' }, 'raspios-legacy'), debianEngine);
  const { armored } = await openpgpKey('ed25519');
  const directory = await written({ 'key.asc': armored, 'dists/trixie/Release': '' });
  const key = path.join(directory, 'key.asc');
  const remote = await engineSource(context, { engine: { repository: 'https://mirror.example/docker', key } }, 'debian');
  t.deepEqual(remote.packages, ['containerd.io', 'docker-ce', 'docker-ce-cli', 'docker-compose-plugin']);
  t.regex(remote.aptSource ?? '', /^Types: deb\nURIs: https:\/\/mirror\.example\/docker\nSuites: @SUITE@\nComponents: stable\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n \.\n/);
  t.is(remote.directory, undefined);
  const local = await engineSource(context, { engine: { repository: directory, key } }, 'debian');
  t.regex(local.aptSource ?? '', /^URIs: copy:\/engine-repository$/m);
  t.is(local.directory, directory);
});

test('a repository or key that is not there, and a key that is none, are named', async (t) => {
  const context = createContext({ cacheDirectory: await temporaryDirectory('cache') });
  const directory = await written({ 'key.asc': 'nothing' });
  const key = path.join(directory, 'key.asc');
  await t.throwsAsync(engineSource(context, { engine: { repository: directory, key: `${key}.missing` } }, 'debian'), { code: 'E_MISSING_FILE', message: /key\.asc\.missing/ });
  await t.throwsAsync(engineSource(context, { engine: { repository: directory, key } }, 'debian'), { code: 'E_ENGINE_KEY', message: /key\.asc' is no OpenPGP key/ });
  await writeFile(key, (await openpgpKey('ed25519')).armored);
  await t.throwsAsync(engineSource(context, { engine: { repository: path.join(directory, 'nowhere'), key } }, 'debian'), { code: 'E_MISSING_FILE', message: /nowhere/ });
});

test('a fetched key is the one with the fingerprint or none, and is fetched once', async (t) => {
  const server = await startFileServer();
  t.teardown(() => server.close());
  const [right, wrong] = [await openpgpKey('ed25519'), await openpgpKey('rsa2048')];
  server.files.set('/gpg', { content: right.armored });
  server.files.set('/other', { content: wrong.armored });
  server.files.set('/page', { content: '<html></html>' });
  const context = createContext({ cacheDirectory: await temporaryDirectory('cache') });
  const { fingerprint } = right;
  for (const name of ['other', 'page', 'missing']) {
    const error = await t.throwsAsync(fetchKey(context, { url: `${server.url}/${name}`, fingerprint }), { code: 'E_ENGINE_KEY', message: new RegExp(`not ${fingerprint}`) });
    t.like(error, { exitStatus: 3 });
  }
  for (let turn = 0; turn < 2; turn++) t.is(await fetchKey(context, { url: `${server.url}/gpg`, fingerprint }), right.armored);
  t.is(server.gets('/gpg').length, 1);
});

test("the source is filled in by the base's own os-release", async (t) => {
  const template = 'URIs: https://mirror.example/@ID@\nSuites: @SUITE@\n';
  const directory = await written({ 'engine.sources': template, 'root/etc/os-release': 'PRETTY_NAME="Raspbian 12"\nID=raspbian\nVERSION_CODENAME="bookworm"\n', 'nameless/etc/os-release': 'ID=raspbian\n' });
  await execute('cp', [script, directory]);
  const fill = (root: string) => execute(path.join(directory, 'engine-source.sh'), [path.join(directory, root)]);
  t.is((await fill('root')).stdout, 'URIs: https://mirror.example/raspbian\nSuites: bookworm\n');
  const failed = await t.throwsAsync(fill('nameless'));
  t.like(failed, { code: 3, stderr: 'prose-ship-error\tE_ENGINE_MISSING\tthe base does not tell its name and release (os-release), so there are no Docker packages for it\n' });
  await writeFile(path.join(directory, 'engine.sources'), '');
  t.is((await fill('nameless')).stdout, '');
});

test('pi-gen knows the source before it installs, and has no use for a folder', async (t) => {
  const { manifest, directory: releaseDirectory } = await packedRelease([{ 'etc/content': 'one' }]);
  const options = { os: sampleOs(), manifest, releaseDirectory, platform: parsePlatform('linux/arm64')! };
  const checkout = await temporaryDirectory('pi-gen');
  await writePiGenStage(checkout, { ...options, engine: { packages: ['docker-ce'], aptSource: 'URIs: https://mirror.example\n' } });
  const stage = path.join(checkout, 'stage-prose-ship');
  t.deepEqual((await readdir(stage)).filter((name) => /^\d/.test(name)).sort(), ['00-engine', '00-install', '01-customise']);
  t.regex(await readFile(path.join(stage, '00-install/00-packages-nr'), 'utf8'), /^docker-ce$/m);
  t.is((await execute('shellcheck', ['--shell=bash', path.join(stage, '00-engine/00-run.sh')])).stdout, '');
  await t.throwsAsync(writePiGenStage(checkout, { ...options, engine: { packages: [], aptSource: 'x', directory: '/mirror' } }), { code: 'E_USAGE', message: /folder '\/mirror'/ });
});
