import { execFile } from 'node:child_process';
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { firewallRules } from '../../../src/bake/customise/card-configuration.ts';
import { cardPackages } from '../../../src/bake/customise/packages.ts';
import { writePiGenStage } from '../../../src/bake/customise/pi-gen-stage.ts';
import { setupSecrets, wifiKey } from '../../../src/bake/customise/setup-secrets.ts';
import { writeCustomisation } from '../../../src/bake/customise/write-customisation.ts';
import { debianEngine } from '../../../src/bake/engine-source/engine-source.ts';
import { osFiles } from '../../../src/device/os-files.ts';
import { ShipError } from '../../../src/errors.ts';
import { parsePlatform } from '../../../src/oci/platform.ts';
import { SecretRegistry } from '../../../src/secret.ts';
import { sampleOs } from '../../support/cards/card.ts';
import { packedRelease } from '../../support/releases/packed-release.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const execute = promisify(execFile);
const arm64 = parsePlatform('linux/arm64')!;
const repository = path.resolve(import.meta.dirname, '../../..');

async function filesBelow(directory: string): Promise<Map<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name)).sort();
  return new Map(await Promise.all(files.map(async (file) => [path.relative(directory, file), await readFile(file, 'latin1')] as const)));
}

test('is the same bytes each time, lists every file, and holds no secret', async (t) => {
  const { manifest, directory: releaseDirectory } = await packedRelease([{ 'etc/content': 'one' }]);
  const place = await temporaryDirectory('customisation');
  const options = { os: sampleOs(), manifest, releaseDirectory, platform: arm64, preload: 'archive' as const };
  const written = await writeCustomisation(path.join(place, 'a'), options);
  await writeCustomisation(path.join(place, 'b'), options);
  const files = await filesBelow(path.join(place, 'a'));
  t.deepEqual(await filesBelow(path.join(place, 'b')), files);
  const listed = files.get('files.list')!.trim().split('\n').map((line) => line.split('\t')[0]!);
  t.deepEqual(listed.filter((name) => !name.endsWith('/')), [...files.keys()].filter((name) => name.startsWith('files/')).map((name) => name.slice(6)).sort());
  for (const [name, content] of files) t.false(content.includes('correct horse') || content.includes(wifiKey('Küche', 'correct horse')), name);
  t.deepEqual(written.secretFiles, ['wifi-passphrase']);
  t.deepEqual(written.cmdline, ['cfg80211.ieee80211_regdom=DE']);
  t.true(files.get('settings')!.includes("cmdline_append='cfg80211.ieee80211_regdom=DE'\n"));
  t.is(files.get('packages'), `${written.packages.join('\n')}\n`);

  const laid = `files/var/lib/prose-ship/releases/${manifest.id}`;
  t.is(files.get(`${laid}/platform`), 'linux-arm64\n');
  t.true(Number(files.get(`${laid}/images/server.size`)) > 0);
  t.is(files.get(`${laid}/UPLOAD.sha256`), `${manifest.images[0]!.archive.digest.slice(7)}  images/server.tar.zst\n`);
  await t.notThrowsAsync(execute('sha256sum', ['--check', '--strict', '--quiet', 'UPLOAD.sha256'], { cwd: path.join(place, 'a', laid) }));
});

test('a card of a site with signers gets their list, and the signature of its release', async (t) => {
  const { manifest, directory: releaseDirectory } = await packedRelease([{ 'etc/content': 'one' }]);
  const place = await temporaryDirectory('customisation');
  const write = async (name: string, os = sampleOs()) => {
    await writeCustomisation(path.join(place, name), { os, manifest, releaseDirectory, platform: arm64, preload: 'store' });
    return filesBelow(path.join(place, name));
  };
  const [list, signature] = ['files/etc/prose-ship/allowed_signers', `files/var/lib/prose-ship/releases/${manifest.id}/SHA256SUMS.sig`];
  const without = await write('without');
  t.false(without.has(list) || without.has(signature));
  await writeFile(path.join(releaseDirectory, 'SHA256SUMS.sig'), 'a signature\n');
  const files = await write('with', sampleOs({ allowedSigners: 'ci@example.org ssh-ed25519 AAAA\n' }));
  t.is(files.get(list), 'ci@example.org ssh-ed25519 AAAA\n');
  t.is(files.get(signature), 'a signature\n');
  const modes = files.get('files.list')!.split('\n');
  t.true(modes.some((line) => /^etc\/prose-ship\/allowed_signers\t0?644\t0\t0$/.test(line)), modes.join('\n'));
});

test('refuses a release of another architecture', async (t) => {
  const { manifest, directory: releaseDirectory } = await packedRelease([{ 'etc/content': 'one' }]);
  const place = await temporaryDirectory('customisation');
  const error = await t.throwsAsync<ShipError>(
    writeCustomisation(path.join(place, 'c'), { os: sampleOs(), manifest, releaseDirectory, platform: parsePlatform('linux/arm/v7')!, preload: 'store' }),
    { instanceOf: ShipError },
  );
  t.like(error, { code: 'E_WRONG_ARCHITECTURE', exitStatus: 3 });
  t.regex(error.remedy ?? '', /--platform/);
  t.deepEqual(await readdir(place), [], 'nothing half-written stays');
});

test('installs only what the settings want', (t) => {
  const all = cardPackages(sampleOs({ locale: 'de_DE.UTF-8' }), debianEngine.packages);
  for (const name of ['docker.io', 'nftables', 'unattended-upgrades', 'wpasupplicant', 'locales', 'console-setup', 'vim']) t.true(all.includes(name), name);
  const { wifi, ...wired } = sampleOs({ firewall: false, securityUpdates: false, keyboard: 'us', packages: [] });
  t.truthy(wifi);
  const few = cardPackages(wired, debianEngine.packages);
  for (const name of ['nftables', 'unattended-upgrades', 'wpasupplicant', 'locales', 'console-setup', 'vim']) t.false(few.includes(name), name);
  const targets = osFiles(wired).map(({ target }) => target);
  t.false(targets.some((target) => /nftables|apt/.test(target)));
  t.false(firewallRules([]).includes('udp dport {'));
});

test('a passphrase becomes the key of its network (IEEE 802.11 test vectors)', (t) => {
  t.is(wifiKey('IEEE', 'password'), 'f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e');
  t.is(wifiKey('ThisIsASSID', 'ThisIsAPassword'), '0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af');
  t.is(wifiKey('IEEE', 'AB'.repeat(32)), 'ab'.repeat(32));
  const registry = new SecretRegistry();
  const files = setupSecrets(sampleOs(), new Map([['smtp', 'x']]), registry);
  t.deepEqual([...files.keys()], ['secrets/smtp', 'wifi-passphrase']);
  t.is(registry.redact(files.get('wifi-passphrase')!), '[secret]');
});

test('the pi-gen stage touches nothing else in a checkout, and its configuration is shell that means the site', async (t) => {
  const { manifest, directory: releaseDirectory } = await packedRelease([{ 'etc/content': 'one' }]);
  const checkout = await temporaryDirectory('pi-gen');
  await writeFile(path.join(checkout, 'config'), 'IMG_NAME=mine\n');
  await writePiGenStage(checkout, { os: sampleOs({ hostname: 'kitchen' }), manifest, releaseDirectory, platform: arm64 });
  t.deepEqual((await readdir(checkout)).sort(), ['config', 'prose-ship.config', 'stage-prose-ship']);
  t.is(await readFile(path.join(checkout, 'config'), 'utf8'), 'IMG_NAME=mine\n');
  const script = '. "$1"; printf "%s\\n" "$IMG_NAME" "$TARGET_HOSTNAME" "$FIRST_USER_NAME" "$WPA_COUNTRY" "$STAGE_LIST" "${#FIRST_USER_PASS}"';
  const { stdout } = await execute('bash', ['-euc', script, 'bash', path.join(checkout, 'prose-ship.config')]);
  t.deepEqual(stdout.trim().split('\n'), ['chat', 'kitchen', 'pi', 'DE', 'stage0 stage1 stage2 stage-prose-ship', '32']);
});

test('shellcheck has nothing to say, and dash can read all of it', async (t) => {
  const check = (shell: string, ...files: string[]) =>
    execute('shellcheck', [`--shell=${shell}`, '--external-sources', '--source-path=SCRIPTDIR', ...files], { cwd: repository }).catch((error: unknown) => error as { stdout: string });
  const setup = 'src/bake/customise/setup';
  t.is((await check('sh', `${setup}/setup.sh`, 'src/device/os/first-boot')).stdout, '');
  t.is((await check('sh', `${setup}/engine-source.sh`)).stdout, '');
  const parts = (await readdir(path.join(repository, setup, 'setup.d'))).map((name) => `${setup}/setup.d/${name}`);
  for (const script of [...parts, `${setup}/engine-source.sh`, `${setup}/setup.sh`, 'src/device/os/first-boot']) await t.notThrowsAsync(execute('dash', ['-n', script], { cwd: repository }));
  const stage = ['pi-gen/stage-prose-ship/prerun.sh', 'pi-gen/stage-prose-ship/01-customise/00-run.sh'];
  t.is((await check('bash', ...stage)).stdout, '');
  // pi-gen passes over scripts that are not executable.
  for (const script of [...stage, `${setup}/setup.sh`]) t.truthy((await stat(path.join(repository, script))).mode & 0o100, script);
});
