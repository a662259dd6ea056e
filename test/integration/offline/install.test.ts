import { appendFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createThrowawayHost, type ThrowawayHost } from '../../support/hosts/throwaway-host.ts';
import { errorCode, proseShip } from '../../support/command-line.ts';
import { offlineBundle } from '../../support/releases/offline-bundle.ts';
import { webRelease } from '../../support/releases/web-release.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/**
 * install.sh on a host that has an engine already, so that it takes seconds. A host that has nothing, and no network at all:
 * test/recipes/offline.recipe.ts.
 */
const port = 8080; // of the host's own network
let directory: string;
let host: ThrowawayHost;

const install = (bundle: string, ...options: string[]) => host.exec(['sh', `/stick/${bundle}/install.sh`, ...options]);
const get = async (page: string) => (await host.exec(`curl -fsS http://127.0.0.1:${port}/${page}`)).stdout;

async function refused(t: ExecutionContext, bundle: string, code: string, message: RegExp, remedy: RegExp, ...options: string[]): Promise<void> {
  const { exitCode, stderr } = await install(bundle, ...options);
  t.is(exitCode, 3, stderr);
  t.true(stderr.includes(`(${code})`), stderr);
  t.regex(stderr, message);
  t.regex(stderr.split('\n  -> ')[1] ?? '', remedy);
}

test.before('bundles', async (t) => {
  t.timeout(3 * 60_000);
  directory = await temporaryDirectory('offline');
  host = await createThrowawayHost({ name: 'stick', diskMiB: 200 });
  for (const [version, more] of [['1.0.0', {}], ['1.0.1', {}], ['1.0.2', { probedPort: 9 }]] as const) {
    const release = await webRelease(directory, { version, port, secret: 'token', ...more });
    await offlineBundle(path.join(host.root, 'stick', version), release);
    if (version === '1.0.1') await offlineBundle(path.join(host.root, 'stick/more'), release, ['no-such-package-of-ours']);
  }
});

test.after.always(async () => {
  await (host as ThrowawayHost | undefined)?.destroy();
});

test.serial('a missing secret is told before anything is touched; nobody is asked where there is no terminal', async (t) => {
  await refused(t, '1.0.0', 'E_MISSING_SECRET', /needs these secrets, which this host does not have: token /, /sh '\/stick\/1\.0\.0\/install\.sh' --secrets FOLDER/);
  t.is((await host.exec('ls /usr/lib/prose-ship /etc/prose-ship; ls -A /var/lib/prose-ship')).stdout, '');
});

test.serial('a damaged file is named, and nothing of the folder is used', async (t) => {
  await cp(path.join(host.root, 'stick/1.0.0'), path.join(host.root, 'stick/damaged'), { recursive: true });
  await appendFile(path.join(host.root, 'stick/damaged/install/host.sh'), 'touch /it-ran\n');
  await refused(t, 'damaged', 'E_BUNDLE_DAMAGED', /'install\/host\.sh' is not what it was/, /copy it again/);
  await host.exec('rm /stick/damaged/bundle.txt');
  await refused(t, 'damaged', 'E_BUNDLE_DAMAGED', /'bundle\.txt' is not what it was when this folder was made, and 1 more files/, /copy it again/);
  t.is((await host.exec('ls /it-ran')).stdout, '');
});

test.serial('whoever is not root is told how to be', async (t) => {
  const { exitCode, stderr } = await host.exec(['setpriv', '--reuid', '65534', '--clear-groups', 'sh', '/stick/1.0.0/install.sh']);
  t.is(exitCode, 3);
  t.is(stderr, "error: only root can install (E_NOT_ROOT)\n  -> sudo sh '/stick/1.0.0/install.sh'");
  t.is((await install('1.0.0', '--no-such')).exitCode, 2);
  t.is((await install('1.0.0', '--owner', 'nobody-of-ours')).exitCode, 2);
});

test.serial('another architecture, another Debian, and packages that the folder does not have are refused', async (t) => {
  await host.exec('mkdir -p /etc/prose-ship /secrets && echo linux-arm64 >/etc/prose-ship/platforms && printf "t0ken\\r\\n" >/secrets/token');
  await refused(t, '1.0.0', 'E_WRONG_ARCHITECTURE', /this host runs linux-arm64 \(\S+\), and this folder is for linux-amd64/, /prose-ship bundle --platform/);
  await host.exec('rm -r /etc/prose-ship; cp --remove-destination /usr/lib/os-release /etc/os-release');
  const system = (id: string, suite: string) => host.exec(`printf 'ID=%s\\nVERSION_CODENAME=%s\\nPRETTY_NAME="Some system"\\n' ${id} ${suite} >/etc/os-release`);
  await system('debian', 'bookworm');
  await refused(t, 'more', 'E_WRONG_RELEASE', /this host runs Some system, the packages of this folder are for Debian 13 \(trixie\), and it lacks no-such-package-of-ours/, /prose-ship bundle --debian bookworm/);
  await system('raspbian', 'trixie');
  await refused(t, 'more', 'E_WRONG_RELEASE', /Some system/, /64-bit Raspberry Pi OS/);
  await system('debian', 'trixie');
  await refused(t, 'more', 'E_PACKAGES', /Unable to locate package no-such-package-of-ours/, /another origin/);
});

test.serial('too little space is told before anything is touched', async (t) => {
  await host.fillDisk(1);
  await refused(t, '1.0.0', 'E_DISK_FULL', /needs \d+ MiB where \/var\/lib\/prose-ship is, \d MiB are free/, /^Free \d+ MiB there/, '--secrets', '/secrets');
  await host.fillDisk(undefined);
});

test.serial('a release is put in place, with its secret, and what comes next is told', async (t) => {
  const looked = await install('1.0.0', '--check', '--secrets', '/secrets');
  t.is(looked.exitCode, 0, looked.stderr);
  t.is((await host.exec('ls -A /var/lib/prose-ship')).stdout, '');
  const installed = await install('1.0.0', '--secrets', '/secrets');
  t.is(installed.exitCode, 0, `${installed.stdout}\n${installed.stderr}`);
  t.regex(installed.stdout, /\+ Secrets: 1 given\n[\s\S]*\+ Release 1\.0\.0-\S+: 1 of 1 images copied[\s\S]*: committed[\s\S]*web 1\.0\.0 runs here\.\n[\s\S]*What is left for you to do:\n {2}1\. Nothing$/);
  t.is(await get('version'), '1.0.0');
  t.is(await get('secret'), 't0ken');
  t.is((await host.exec('stat -c "%a %u" /var/lib/prose-ship/secrets /var/lib/prose-ship/secrets/token /var/lib/prose-ship/incoming')).stdout, '700 0\n444 0\n700 0');
});

test.serial('what install.sh laid is what provision would', async (t) => {
  const { exitCode, stderr, stdout } = await proseShip(['provision', 'stick'], { environment: { PROSE_SHIP_SSH_CONFIG: host.sshConfigFile }, cwd: directory });
  t.is(exitCode, 0, stderr);
  t.regex(stdout, /"title":"Updater","state":"done"[^\n]*"detail":"is there already"/);
});

test.serial('run again it does nothing; a newer folder updates, and sends no image that is there', async (t) => {
  const before = (await host.exec("docker inspect -f '{{.Id}}' web-page-1")).stdout;
  const again = await install('1.0.0');
  t.is(again.exitCode, 0, again.stderr);
  t.regex(again.stdout, /- Packages: all there[\s\S]*\+ Updater: is there already[\s\S]*- Release \S+: is on this host already/);
  t.is((await host.exec("docker inspect -f '{{.Id}}' web-page-1")).stdout, before);
  const updated = await install('1.0.1');
  t.is(updated.exitCode, 0, updated.stderr);
  t.is(await get('version'), '1.0.1');
  t.is(await get('secret'), 't0ken', 'it was given once');
});

test.serial('an older folder is refused, unless that is what somebody wants', async (t) => {
  await refused(t, '1.0.0', 'E_DOWNGRADE', /this host runs version 1\.0\.1, and this folder brings 1\.0\.0/, /--allow-downgrade/);
  const older = await install('1.0.0', '--allow-downgrade');
  t.is(older.exitCode, 0, older.stderr);
  t.is(await get('version'), '1.0.0');
});

test.serial('a release that does not become healthy goes away again', async (t) => {
  const failed = await install('1.0.2');
  t.is(failed.exitCode, 4, failed.stdout);
  t.regex(failed.stderr, /; the release before runs again \(E_ROLLED_BACK\)\n {2}-> Its log is \/var\/lib\/prose-ship\/log\//);
  t.is(await get('version'), '1.0.0');
});

test.serial('an updater that is newer than the folder stays', async (t) => {
  await host.exec("sed -i 's/^version=.*/version=999/' /usr/lib/prose-ship/updater");
  const { exitCode, stdout } = await install('1.0.0');
  t.is(exitCode, 0);
  t.regex(stdout, /\+ Updater: a newer one is there, and stays/);
});

test('the command line makes no bundle of somebody else\'s folder, and puts no secret on it unasked', async (t) => {
  const place = await temporaryDirectory('bundle');
  const release = await webRelease(place, { version: '2.0.0', port, secret: 'token' });
  const options = ['--config', path.join(place, '2.0.0/prose-ship.yaml'), '--release', release.directory];
  const planned = await proseShip(['bundle', path.join(place, 'new'), ...options, '--dry-run']);
  t.is(planned.exitCode, 0, planned.stderr);
  t.like(planned.result['plan'], { suite: 'trixie', secrets: ['token'], engine: 'debian' });
  const plain = await proseShip(['bundle', path.join(place, 'new'), ...options, '--with-secrets'], { environment: { TOKEN: 'x' } });
  t.is(plain.exitCode, 2);
  t.is(errorCode(plain), 'E_PLAIN_SECRETS');
  await mkdir(path.join(place, 'photos'));
  await writeFile(path.join(place, 'photos/cat.jpg'), 'a cat');
  const other = await proseShip(['bundle', path.join(place, 'photos'), ...options]);
  t.is(other.exitCode, 2);
  t.is(errorCode(other), 'E_BUNDLE_TARGET');
  t.is(await readFile(path.join(place, 'photos/cat.jpg'), 'utf8'), 'a cat');
});
