import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import test from 'ava';
import { bootDevice, type BootedDevice } from '../../../src/bake/boot/device.ts';
import { openDiskFile, slice } from '../../../src/bake/disk/disk-file.ts';
import { openExt4 } from '../../../src/bake/disk/ext4/open-ext4.ts';
import { usedFatRanges } from '../../../src/bake/disk/fat/fat.ts';
import { inspectImage } from '../../../src/bake/disk/inspect-image.ts';
import { createContext } from '../../../src/context.ts';
import { parsePlatform } from '../../../src/oci/platform.ts';
import { readRelease } from '../../../src/release/read-release.ts';
import { bakeCard, cardHostname, cardTimezone, makeCardSite, releaseOfCard, succeed, wifiPassphrase, type CardSite } from '../../support/cards/baked-card.ts';
import { reportOfCard, type CardReport } from '../../support/cards/card-report.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/**
 * From a site to a card that runs, once: release, bake, verify, flash, and QEMU boots what was flashed. Needs what
 * building and booting need (root, an engine, binfmt, qemu-system-arm); fails without. The tests read one boot.
 */
const execute = promisify(execFile);
const platform = parsePlatform('linux/arm64')!;
const directory = await temporaryDirectory('card');
const wifiConnection = 'etc/NetworkManager/system-connections/prose-ship.nmconnection';
const flashed = path.join(directory, 'card');
/** Cards of QEMU go where the test's other files go; kernels are kept in the ordinary cache, unless the image has one. */
const context = createContext({ cacheDirectory: path.join(directory, 'cache') });

let site: CardSite;
let release: string;
let image: string;
let device: BootedDevice;
let says: CardReport;

test.before('bake a card', async (t) => {
  t.timeout(20 * 60_000);
  site = await makeCardSite(path.join(directory, 'site'), platform);
  release = await releaseOfCard(site, '1.0.0', '13.0.1-r1');
  image = await bakeCard(site, release);
});

test.after.always(async () => {
  await (device as BootedDevice | undefined)?.destroy();
});

test.serial('the image verifies, and is flashed by its map', async (t) => {
  const { manifest } = await readRelease(release);
  t.is((await succeed(['verify', image]))['id'], manifest.id);
  const { writtenBytes, mappedBytes, imageSizeBytes } = (await succeed(['flash', image, flashed])) as Record<string, number>;
  t.is(imageSizeBytes, (await stat(image)).size);
  t.true(mappedBytes! < imageSizeBytes!);
  t.true(writtenBytes! <= mappedBytes! * 1.02, `${writtenBytes} bytes were written, ${mappedBytes} are mapped`);
});

test.serial('the image holds nothing that must be unique, and its boot partition no secret', async (t) => {
  const disk = await openDiskFile(flashed);
  try {
    const { boot, root } = await inspectImage(disk, 'card');
    const files = await openExt4(slice(disk, root.startBytes, root.sizeBytes));
    const found = new Map<string, number>();
    for await (const entry of files.walk()) if (entry.path.startsWith('etc/')) found.set(entry.path, entry.sizeBytes);
    t.is(found.get('etc/machine-id'), 0);
    t.deepEqual([...found.keys()].filter((name) => name.startsWith('etc/ssh/ssh_host_')), []);

    const partition = slice(disk, boot.startBytes, boot.sizeBytes);
    const connection = await text((await files.readFile(wifiConnection))!);
    const [, key] = /^psk=([0-9a-f]{64})$/m.exec(connection)!;
    const secrets = [wifiPassphrase, key!, 'PRIVATE KEY'];
    let overlap = Buffer.alloc(0);
    let read = 0;
    for (const { startBytes, sizeBytes } of await usedFatRanges(partition)) {
      for (let at = startBytes; at < startBytes + sizeBytes; at += 1 << 20) {
        const bytes = Buffer.concat([overlap, await partition.read(at, Math.min(1 << 20, startBytes + sizeBytes - at))]);
        for (const secret of secrets) t.false(bytes.includes(secret), secret);
        overlap = Buffer.from(bytes.subarray(-64));
        read += bytes.length;
      }
    }
    t.true(read > 10_000_000); // kernel and firmware were among it
  } finally {
    await disk.close();
  }
});

test.serial('it boots from the flashed card, and its release passes the gate', async (t) => {
  t.timeout(10 * 60_000);
  device = await bootDevice(context, { imageFile: flashed, identityFile: site.identityFile, timeoutMs: 540_000 });
  const { releaseId, healthyMs } = await device.waitForGate();
  t.is(releaseId, (await readRelease(release)).manifest.id);
  t.log(`healthy ${Math.round(healthyMs / 1000)} s after power-on`);
  says = await reportOfCard(device);
});

test.serial("only the site's key gets in", async (t) => {
  const known = ['-o', `UserKnownHostsFile=${path.join(device.directory, 'known_hosts')}`, '-o', 'HostKeyAlias=prose-ship-card'];
  const login = async (user: string, identityFile: string, ...options: string[]): Promise<{ code: number; stderr: string }> =>
    execute('ssh', ['-v', '-F', 'none', '-o', 'BatchMode=yes', '-o', 'IdentitiesOnly=yes', '-i', identityFile, ...known, ...options, '-p', String(device.port), `${user}@127.0.0.1`, 'true']).then(
      ({ stderr }) => ({ code: 0, stderr }),
      (error: unknown) => error as { code: number; stderr: string },
    );
  const stranger = await makeCardSite(path.join(directory, 'stranger'), platform);
  t.is((await login('pi', site.identityFile)).code, 0);
  for (const refused of [
    await login('pi', site.identityFile, '-o', 'PreferredAuthentications=password,keyboard-interactive'),
    await login('pi', stranger.identityFile),
    await login('root', site.identityFile),
  ]) {
    t.is(refused.code, 255);
    t.regex(refused.stderr, /Authentications that can continue: publickey\r?\n/);
    t.regex(refused.stderr, /Permission denied \(publickey\)/);
  }
  t.deepEqual(says('password'), []);
  t.deepEqual(says('sshd').toSorted(), ['kbdinteractiveauthentication no', 'passwordauthentication no', 'permitemptypasswords no', 'permitrootlogin no']);
});

test.serial('the system is what the site says', (t) => {
  t.deepEqual(says('hostname'), [cardHostname]);
  t.regex(says('timezone')[0] ?? '', new RegExp(`^${cardTimezone} /usr/share/zoneinfo/${cardTimezone} CES?T$`));
  t.deepEqual(says('user'), ['pi:1000:1000:/home/pi']);
  t.deepEqual(says('service-user'), ['prose-ship:1001:1001:/usr/sbin/nologin']);
  t.deepEqual(says('wifi-key'), ['600:0:0 prose-ship.nmconnection']);
  const firewall = says('firewall').join('\n');
  t.regex(firewall, /hook input priority filter; policy drop;/);
  t.regex(firewall, /tcp dport 22 accept/);
  t.regex(firewall, /tcp dport 5222 accept/);
});

test.serial('it made itself unique', (t) => {
  t.regex(says('machine-id')[0] ?? '', /^[0-9a-f]{32}$/);
  t.deepEqual(says('host-key').map((line) => line.split(' ')[0]).toSorted(), ['ecdsa-sha2-nistp256', 'ssh-ed25519', 'ssh-rsa']);
  t.deepEqual(says('private-key'), ['600:0:0']);
});

test.serial('partition and file system reach to the end of the card', async (t) => {
  const number = (fact: string) => Number(says(fact)[0]);
  t.true(number('disk-bytes') > (await stat(flashed)).size * 2);
  t.true(number('disk-bytes') - number('root-end') < 16 * 1024 ** 2);
  t.true(number('root-bytes') - number('ext4-bytes') < 1024 ** 2);
  t.deepEqual(says('ext4-state'), ['clean']);
});

test.serial('everything runs, and no image had to be loaded', (t) => {
  t.deepEqual(says('failed-unit'), []);
  t.deepEqual(says('system'), ['running']);
  t.is(says('updater-unit')[0]?.trim(), 'success inactive');
  t.deepEqual(says('container'), ['chat-server-1 running']);
  const log = says('updater-log').join('\n');
  t.regex(log, /server: \S+ is there already/);
  t.notRegex(log, /loading/);
  t.notRegex(log, /\twarning\t/);
  t.notRegex(log, /\terror\t/);
});
