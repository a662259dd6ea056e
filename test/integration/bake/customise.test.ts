import { execFile } from 'node:child_process';
import { appendFile, lstat, mkdir, readFile, readdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { setupSecrets, wifiKey } from '../../../src/bake/customise/setup-secrets.ts';
import { writeCustomisation, type Customisation, type CustomisationOptions } from '../../../src/bake/customise/write-customisation.ts';
import { parsePlatform } from '../../../src/oci/platform.ts';
import type { PackResult } from '../../../src/release/pack-release.ts';
import { SecretRegistry } from '../../../src/secret.ts';
import { addPackages, addRaspberryPiOs, bootstrapTree, copyTree, treeDigest } from '../../support/disks/bootstrap-tree.ts';
import { runSetup, sampleKey, sampleOs, secretsDirectory } from '../../support/cards/card.ts';
import { packedRelease } from '../../support/releases/packed-release.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const execute = promisify(execFile);
/** A program of npm packages has the same name. */
const nft = '/usr/sbin/nft';
let release: PackResult;
/** Debian for arm64 with the packages of a card; every test works on a copy. */
let base: string;
/** Such a copy after setup.sh. */
let card: string;

test.before(async () => {
  release = await packedRelease([{ 'etc/content': 'one' }]);
  base = await bootstrapTree('linux/arm64');
  await addPackages(base);
  card = await copyTree(base);
  const { exitCode, stderr } = await runSetup((await customise()).directory, card, await secrets());
  if (exitCode !== 0) throw new Error(stderr);
});

async function customise(changes: Partial<CustomisationOptions> = {}): Promise<Customisation> {
  const directory = path.join(await temporaryDirectory('customisation'), 'c');
  const preload = 'store' as const;
  const manifest = { ...release.manifest, secrets: ['smtp_password'] };
  return writeCustomisation(directory, { os: sampleOs(), manifest, releaseDirectory: release.directory, platform: parsePlatform('linux/arm64')!, preload, ...changes });
}

function secrets(): Promise<string> {
  return secretsDirectory(setupSecrets(sampleOs(), new Map([['smtp_password', 'hunter2']]), new SecretRegistry()));
}

async function mode(root: string, name: string): Promise<string> {
  const { mode: bits, uid, gid } = await lstat(path.join(root, name));
  return `${(bits & 0o7777).toString(8)} ${uid}:${gid}`;
}

function field(text: string, name: string, number: number): string | undefined {
  return text.split('\n').find((line) => line.startsWith(`${name}:`))?.split(':')[number];
}

async function succeed(t: ExecutionContext, customisation: Customisation, root: string): Promise<void> {
  const result = await runSetup(customisation.directory, root, await secrets());
  t.is(result.exitCode, 0, result.stderr);
}

test.serial('makes a foreign root file system this site\'s card, the same one each time', async (t) => {
  const customisation = await customise();
  const [one, two] = [card, await copyTree(base)];
  await succeed(t, await customise(), two);
  const digest = await treeDigest(one);
  t.is(await treeDigest(two), digest, 'two runs on two copies');
  await succeed(t, customisation, one);
  t.is(await treeDigest(one), digest, 'a second run on the same tree');

  const text = (name: string) => readFile(path.join(one, name), 'utf8');
  const [passwd, shadow, group] = [await text('etc/passwd'), await text('etc/shadow'), await text('etc/group')];
  t.deepEqual([field(passwd, 'pi', 2), field(passwd, 'pi', 5), field(passwd, 'prose-ship', 2), field(passwd, 'prose-ship', 6)], ['1000', '/home/pi', '1001', '/usr/sbin/nologin']);
  for (const name of ['pi', 'prose-ship', 'root']) t.is(field(shadow, name, 1), '*', `${name} has no password`);
  t.deepEqual([...new Set(shadow.trim().split('\n').map((line) => line.split(':')[2]))], ['20089'], 'the day of SOURCE_DATE_EPOCH');
  for (const name of ['sudo', 'adm', 'video']) t.true(field(group, name, 3)?.split(',').includes('pi'), name);

  t.is(await text('etc/hostname'), 'kitchen\n');
  t.regex(await text('etc/hosts'), /^127\.0\.1\.1\tkitchen$/m);
  t.is(await text('home/pi/.ssh/authorized_keys'), `${sampleKey}\n`);
  t.deepEqual(
    await Promise.all(['home/pi', 'home/pi/.ssh', 'home/pi/.ssh/authorized_keys', 'etc/sudoers.d/010_prose-ship', 'usr/lib/prose-ship/updater', 'usr/lib/prose-ship/first-boot'].map((name) => mode(one, name))),
    ['700 1000:1000', '700 1000:1000', '600 1000:1000', '440 0:0', '755 0:0', '755 0:0'],
  );
  t.is(await readlink(path.join(one, 'etc/localtime')), '/usr/share/zoneinfo/Europe/Berlin');
  t.is(await text('etc/machine-id'), '');
  t.regex(await text('etc/default/keyboard'), /XKBLAYOUT="de"/);
  t.like(JSON.parse(await text('etc/docker/daemon.json')) as object, { 'log-driver': 'local', 'storage-driver': 'overlay2' });

  const wifi = await text('etc/NetworkManager/system-connections/prose-ship.nmconnection');
  t.true(wifi.includes('ssid=75;195;188;99;104;101;\n'));
  t.true(wifi.endsWith(`[wifi-security]\nkey-mgmt=wpa-psk\npsk=${wifiKey('Küche', 'correct horse')}\n`));
  t.is(await mode(one, 'etc/NetworkManager/system-connections/prose-ship.nmconnection'), '600 0:0');
  t.deepEqual([await mode(one, 'var/lib/prose-ship/secrets'), await mode(one, 'var/lib/prose-ship/secrets/smtp_password')], ['700 0:0', '444 0:0']);
  t.is(await text('var/lib/prose-ship/secrets/smtp_password'), 'hunter2');

  const place = `var/lib/prose-ship/releases/${release.manifest.id}`;
  t.deepEqual((await readdir(path.join(one, place))).sort(), ['SHA256SUMS', 'compose.yaml', 'files', 'plans', 'platform', 'release.json']);
  t.deepEqual([await mode(one, 'var/lib/prose-ship/incoming'), await mode(one, place), await mode(one, `${place}/release.json`)], ['700 1000:1000', '700 0:0', '600 0:0']);
  t.is(await text('var/lib/prose-ship/journal'), `format\t1\nid\t${release.manifest.id}\ngoal\trollout\nstate\tuploaded\nnext\tverified\nfrom\t-\ntime\t0\n`);
});

test.serial('what was made of /usr is not made again at the first boot', async (t) => {
  const usr = (await stat(path.join(card, 'usr'))).mtimeMs;
  for (const directory of ['etc', 'var']) t.is((await stat(path.join(card, directory, '.updated'))).mtimeMs, usr, directory);
  t.regex(await readFile(path.join(card, 'etc/systemd/system/apparmor.service.d/prose-ship.conf'), 'utf8'), /^ConditionPathExists=\/var\/lib\/prose-ship\/first-boot\.done$/m);
});

test.serial('systemd sees the units enabled, sshd takes only keys, and the units are sound', async (t) => {
  const root = card;
  for (const unit of ['ssh.service', 'docker.service', 'nftables.service', 'prose-ship.service', 'prose-ship-first-boot.service', 'prose-ship-apparmor.service']) {
    t.is((await execute('systemctl', ['--root', root, 'is-enabled', unit])).stdout, 'enabled\n', unit);
  }
  const config = path.join(await temporaryDirectory('sshd'), 'sshd_config');
  const shipped = await readFile(path.join(root, 'etc/ssh/sshd_config'), 'utf8');
  await writeFile(config, shipped.replaceAll('/etc/ssh/', `${root}/etc/ssh/`));
  // As cloud-init writes it when somebody asks Imager for password logins.
  await writeFile(path.join(root, 'etc/ssh/sshd_config.d/50-cloud-init.conf'), 'PasswordAuthentication yes\n');
  const hostKey = path.join(path.dirname(config), 'key');
  await execute('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', hostKey]);
  await execute('mkdir', ['-p', '/run/sshd']);
  const { stdout } = await execute('/usr/sbin/sshd', ['-T', '-f', config, '-h', hostKey]);
  for (const line of ['passwordauthentication no', 'kbdinteractiveauthentication no', 'permitrootlogin no', 'pubkeyauthentication yes']) t.true(stdout.split('\n').includes(line), line);
  await t.notThrowsAsync(execute('visudo', ['--check', '--file', path.join(root, 'etc/sudoers.d/010_prose-ship')]));

  // The program exists on the card, not here.
  const unit = path.join(path.dirname(config), 'prose-ship-first-boot.service');
  await writeFile(unit, (await readFile(path.join(root, 'etc/systemd/system/prose-ship-first-boot.service'), 'utf8')).replace('ExecStart=/usr', `ExecStart=${root}/usr`));
  t.is((await execute('systemd-analyze', ['verify', '--man=no', unit])).stderr, '');
});

test.serial('the firewall\'s rules are those of nftables, and can be loaded again', async (t) => {
  const rules = path.join(card, 'etc/nftables.conf');
  await t.notThrowsAsync(execute(nft, ['--check', '--file', rules]));
  // In a network namespace of its own, so that this machine's traffic is not touched.
  const script = 'nft=$2; $nft add table ip docker && $nft -f "$1" && $nft -f "$1" && $nft list ruleset && $nft delete table inet prose_ship && $nft list tables';
  const { stdout } = await execute('unshare', ['--net', 'sh', '-ec', script, 'sh', rules, nft]);
  t.regex(stdout, /policy drop/);
  t.regex(stdout, /tcp dport 5222 accept/);
  t.regex(stdout, /udp dport 3478 accept/);
  t.is(stdout.match(/chain input/g)?.length, 1);
  t.true(stdout.trimEnd().endsWith('table ip docker'), 'the engine\'s tables stay');
});

test.serial('on Raspberry Pi OS the first user gets the site\'s name and loses its password; the wizard is off, the radio on', async (t) => {
  const root = await copyTree(base);
  await addRaspberryPiOs(root);
  await succeed(t, await customise({ os: sampleOs({ user: 'anna', locale: 'en_GB.UTF-8' }) }), root);
  const text = (name: string) => readFile(path.join(root, name), 'utf8');
  const [passwd, shadow, group] = [await text('etc/passwd'), await text('etc/shadow'), await text('etc/group')];
  t.deepEqual([field(passwd, 'anna', 2), field(passwd, 'anna', 5), field(passwd, 'pi', 2)], ['1000', '/home/anna', undefined]);
  t.is(field(shadow, 'anna', 1), '*');
  t.is(field(group, 'anna', 2), '1000');
  t.true(field(group, 'netdev', 3)?.split(',').includes('anna'));
  t.false(/^pi:|[:,]pi(?:,|$)/m.test(group), group);
  t.true((await text('etc/subuid')).includes('anna:100000:65536\n'));
  t.is(await text('home/anna/.profile'), 'umask 022\n');
  t.is(await text('home/anna/.ssh/authorized_keys'), `${sampleKey}\n`);
  t.deepEqual(await readdir(path.join(root, 'home')), ['anna']);
  t.is((await execute('systemctl', ['--root', root, 'is-enabled', 'userconfig.service']).catch((error: unknown) => error as { stdout: string })).stdout, 'masked\n');
  t.is((await execute('systemctl', ['--root', root, 'is-enabled', 'getty@tty1.service'])).stdout, 'enabled\n');
  for (const gone of ['etc/sudoers.d/010_pi-nopasswd', 'etc/ssh/sshd_config.d/rename_user.conf']) await t.throwsAsync(lstat(path.join(root, gone)), { code: 'ENOENT' });
  t.is(await text('var/lib/systemd/rfkill/platform-3f300000.mmcnr:wlan'), '0\n');
  t.regex(await text('var/lib/NetworkManager/NetworkManager.state'), /WirelessEnabled=true/);
  t.is(await text('etc/default/locale'), 'LANG=en_GB.UTF-8\n');
  // The C library of this machine reads what was made for the other one.
  const { stdout } = await execute('locale', ['-k', 'date_fmt'], { env: { LOCPATH: path.join(root, 'usr/lib/locale'), LC_ALL: 'en_GB.UTF-8' } });
  t.regex(stdout, /%e %b/);
});

/** What is done to a copy of the base, and the problem that follows. */
const refusals: Record<string, readonly [spoil: (root: string) => Promise<unknown>, problem: RegExp]> = {
  'a base without an engine': [(root) => dpkg(root, /\nPackage: docker\.io\n[^]*?(?=\n\n|$)/, ''), /^E_ENGINE_MISSING the base has no Docker engine/],
  'a base without Compose': [(root) => dpkg(root, /\nPackage: docker-compose\n[^]*?(?=\n\n|$)/, ''), /^E_ENGINE_MISSING the base has no Docker Compose/],
  'an engine that was removed': [(root) => dpkg(root, /(Package: docker\.io\nStatus: )install ok installed/, '$1deinstall ok config-files'), /^E_ENGINE_MISSING/],
  'an engine that is too old': [(root) => dpkg(root, '26.1.5+dfsg1-9+b10', '20.10.24+dfsg1-1'), /^E_ENGINE_TOO_OLD the base's engine is 20\.10\.24 \(docker\.io\), the recipe needs 24\.0\.0/],
  'a number that is taken': [(root) => appendFile(path.join(root, 'etc/passwd'), 'eve:x:1001:1001::/home/eve:/bin/sh\n'), /^E_UID_TAKEN .*'eve' has the number 1001/],
  'a name that the base uses': [(root) => appendFile(path.join(root, 'etc/passwd'), 'pi:x:997:997::/:/bin/sh\n'), /^E_USER_TAKEN the user 'pi' exists in the base with the number 997/],
  'a timezone that the base lacks': [(root) => rm(path.join(root, 'usr/share/zoneinfo/Europe/Berlin')), /^E_BAD_TIMEZONE .*'Europe\/Berlin'/],
  'a base without sshd': [(root) => rm(path.join(root, 'etc/ssh/sshd_config')), /^E_PACKAGE_MISSING .*openssh-server/],
  'a base without the firewall': [(root) => rm(path.join(root, 'usr/lib/systemd/system/nftables.service')), /^E_PACKAGE_MISSING .*nftables\.service/],
  'a base whose /home leads elsewhere': [async (root) => { await rm(path.join(root, 'home'), { recursive: true, force: true }); await symlink('/tmp', path.join(root, 'home')); }, /^E_BASE_LAYOUT \/home of the base/],
  'a base of another architecture by dpkg': [(root) => dpkg(root, /(Package: dpkg\n[^]*?Architecture: )arm64/, '$1armhf'), /^E_WRONG_ARCHITECTURE the base is for armhf, the release for arm64 \(linux\/arm64\)/],
  'a shell of another architecture': [(root) => writeFile(path.join(root, 'bin/dash'), Buffer.from('7f454c4601010100000000000000000002002800', 'hex')), /^E_WRONG_ARCHITECTURE the base is for armhf/],
};

async function dpkg(root: string, from: RegExp | string, to: string): Promise<void> {
  const status = path.join(root, 'var/lib/dpkg/status');
  const before = await readFile(status, 'utf8');
  const after = before.replace(from, to);
  if (after === before) throw new Error(`dpkg's status has no ${String(from)}`);
  await writeFile(status, after);
}

test.serial('what cannot become a card is refused before anything is changed', async (t) => {
  const customisation = await customise();
  const given = await secrets();
  const root = path.join(await temporaryDirectory('tree'), 'root');
  for (const [title, [spoil, problem]] of Object.entries(refusals)) {
    await rm(root, { recursive: true, force: true });
    await mkdir(root);
    // What the checks read, so that a fresh copy costs nothing.
    await execute('sh', ['-c', 'cd "$1" && cp -a --parents bin etc usr/bin/dash usr/bin/sh var/lib/dpkg/status usr/share/zoneinfo usr/lib/systemd/system "$2"', 'sh', base, root]);
    await spoil(root);
    const before = await treeDigest(root);
    const result = await runSetup(customisation.directory, root, given);
    t.is(result.exitCode, 3, title);
    t.is(result.problems.length, 1, `${title}: ${result.stderr}`);
    t.regex(result.problems[0] ?? '', problem, title);
    t.is(await treeDigest(root), before, title);
  }
});

test.serial('all problems are told at once, secrets that are not there among them; --check changes nothing', async (t) => {
  const customisation = await customise();
  const bare = await bootstrapTree('linux/arm/v7');
  const before = await treeDigest(bare);
  const result = await runSetup(customisation.directory, bare);
  t.is(result.exitCode, 3);
  t.deepEqual(result.problems.map((one) => one.split(' ')[0]), ['E_WRONG_ARCHITECTURE', 'E_ENGINE_MISSING', 'E_ENGINE_MISSING', 'E_MISSING_SECRET', 'E_MISSING_SECRET', 'E_PACKAGE_MISSING', 'E_PACKAGE_MISSING', 'E_PACKAGE_MISSING', 'E_PACKAGE_MISSING']);
  t.is(await treeDigest(bare), before);
  const good = await treeDigest(base);
  t.deepEqual(await runSetup(customisation.directory, base, await secrets(), ['--check']), { exitCode: 0, problems: [], stderr: '' });
  t.is((await runSetup(customisation.directory, base, '', ['--check'])).exitCode, 0, 'a bake checks before it hands out secrets');
  t.deepEqual((await runSetup(customisation.directory, base, await secretsDirectory(new Map()), ['--check'])).problems.map((one) => one.split(' ')[0]), ['E_MISSING_SECRET', 'E_MISSING_SECRET']);
  t.is(await treeDigest(base), good);
});
