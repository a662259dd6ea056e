import { cp, readFile, readdir, readlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { openDiskFile, slice } from '../../src/bake/disk/disk-file.ts';
import { readFatFile } from '../../src/bake/disk/fat/fat.ts';
import { inspectImage, type OsImageLayout } from '../../src/bake/disk/inspect-image.ts';
import { createContext } from '../../src/context.ts';
import { openEngine } from '../../src/host/engine/open-engine.ts';
import { bakeSite, type BakeSite } from '../support/cards/card-site.ts';
import { openpgpKey } from '../support/openpgp-key.ts';
import { loopDevice, mounted } from '../support/disks/loop-device.ts';
import { observeMounted, type Observed } from '../support/disks/observed-tree.ts';
import { raspiosStandIn, standInCmdline, standInConfig } from '../support/cards/stand-ins/raspios.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** The first run makes the stand-in and configures packages under emulation; later ones find both in the cache. */
const withinMs = 30 * 60_000;
const epochNs = 1_735_689_600_000_000_000n;

let base: string;
let site: BakeSite;
let card: string;

interface Baked extends OsImageLayout {
  readonly cmdline: string;
  readonly config: string;
}

async function inspected(file: string): Promise<Baked> {
  const disk = await openDiskFile(file);
  try {
    const layout = await inspectImage(disk, path.basename(file));
    const boot = slice(disk, layout.boot.startBytes, layout.boot.sizeBytes);
    const text = async (name: string) => String(await readFatFile(boot, name));
    return { ...layout, cmdline: await text('cmdline.txt'), config: await text('config.txt') };
  } finally {
    await disk.close();
  }
}

/** The root file system through the kernel, which knows nothing of us. */
async function mountedRoot(t: ExecutionContext, file: string): Promise<string> {
  const { root } = await inspected(file);
  const directory = await temporaryDirectory('root');
  const device = await loopDevice(t, file, ['--read-only', '--offset', String(root.startBytes), '--sizelimit', String(root.sizeBytes)]);
  await mounted(t, ['-o', 'ro,noload', device], directory);
  return directory;
}

const left = async (directory: string) => (await readdir(directory)).toSorted();

test.before('bake a card on the stand-in', async (t) => {
  t.timeout(withinMs);
  base = await raspiosStandIn();
  site = await bakeSite({ base, user: 'anna', hostname: 'kitchen', wifi: { country: 'DE' } });
  card = path.join(site.directory, 'card.img');
  const { exitCode, stderr } = await site.bake(['--output', card]);
  if (exitCode !== 0) throw new Error(stderr);
});

test.serial("the base's partitions, ids, labels and boot files stay; its root grows as it must", async (t) => {
  const [before, after] = [await inspected(base), await inspected(card)];
  t.deepEqual(after.boot, before.boot);
  t.is(after.table.diskId, before.table.diskId);
  t.deepEqual(after.fat, before.fat);
  t.like(after.root, { startBytes: before.root.startBytes, id: before.root.id, type: before.root.type, number: 2 });
  t.like(after.ext4, { uuid: before.ext4.uuid, label: 'rootfs', hashSeed: before.ext4.hashSeed, inodeBytes: before.ext4.inodeBytes });
  t.deepEqual(after.ext4.features, before.ext4.features);
  t.true(after.root.sizeBytes > before.root.sizeBytes, 'the base had no room for what was installed');
  t.is(after.cmdline, `${standInCmdline} cfg80211.ieee80211_regdom=DE\n`);
  t.is(after.config, standInConfig);
});

test.serial('packages are installed, and the card is set up', async (t) => {
  const root = await mountedRoot(t, card);
  const text = (name: string) => readFile(path.join(root, name), 'utf8');
  const { stdout } = await execa('dpkg-query', [`--admindir=${root}/var/lib/dpkg`, '--show', '--showformat', '${db:Status-Abbrev} ${Package}\n', 'docker.io', 'docker-compose', 'nftables', 'network-manager']);
  t.deepEqual(stdout.split('\n').map((line) => line.slice(0, 2)), ['ii', 'ii', 'ii', 'ii']);
  t.deepEqual((await execa('dpkg', [`--root=${root}`, '--audit'])).stdout, '');
  t.is(await text('etc/hostname'), 'kitchen\n');
  t.regex(await text('etc/passwd'), /^anna:x:1000:/m);
  t.notRegex(await text('etc/passwd'), /^pi:/m);
  t.is(await readlink(path.join(root, 'etc/systemd/system/userconfig.service')), '/dev/null');
  t.regex(await text('home/anna/.ssh/authorized_keys'), /^ssh-ed25519 /);
  t.is((await left(path.join(root, 'var/lib/prose-ship/releases'))).length, 1);
  t.is(await text('etc/rpi-issue').then((issue) => issue.split('\n')[0]), 'Raspberry Pi reference 2026-01-01');
  t.true((await left(path.join(root, 'var/lib/docker/overlay2'))).length >= 3, 'the engine has the images');
  t.is(await readlink(path.join(root, 'etc/systemd/system/multi-user.target.wants/ssh.service')), '/usr/lib/systemd/system/ssh.service');
});

/** What packages or setup.sh may change in files that the base has. */
const changing = /^(etc|var|home|run|tmp|boot|dev)(\/|$)|^usr\/lib\/(locale|udev\/hwdb)|^usr\/share\/(mime|icons|info|glib-2\.0)|^usr\/sbin\/policy-rc\.d$|\/__pycache__(\/|$)/;

test.serial('all else of the base is on the card as it was: owners, modes, times, links, devices, capabilities, ACLs, attributes', async (t) => {
  const context = createContext();
  const [before, after] = [await observeMounted(context, await mountedRoot(t, base)), await observeMounted(context, await mountedRoot(t, card))];
  const byPath = new Map(after.map((one) => [one.path, one]));
  const expected = before.filter(({ path: name }) => !changing.test(name));
  const comparable = (one: Observed) => {
    const time = BigInt(one.mtimeNs);
    // A folder's time tells of what was added to it; what is newer than the card gets its time.
    return { ...one, mtimeNs: one.type === 'directory' ? '' : String(time > epochNs ? epochNs : time) };
  };
  const differing = expected.flatMap((one) => {
    const found = byPath.get(one.path);
    return found && JSON.stringify(comparable(found)) === JSON.stringify(comparable(one)) ? [] : [{ base: one, card: found }];
  });
  t.true(expected.length > 5000, String(expected.length));
  t.deepEqual(differing.slice(0, 20), []);
  // That the comparison had something to see.
  t.deepEqual(Object.keys(byPath.get('opt/attributes/file')!.xattrs).toSorted(), ['system.posix_acl_access', 'user.comment']);
  t.true('security.capability' in byPath.get('opt/attributes/capable')!.xattrs);
});

test.serial("an engine of Docker's own packages, from a mirror in a folder", async (t) => {
  t.timeout(withinMs);
  const { armored, home, ...keyring } = await openpgpKey('rsa3072');
  t.teardown(() => keyring.stop());
  const repository = await temporaryDirectory('docker-repository');
  await execa(path.resolve(import.meta.dirname, '../support/cards/stand-ins/docker-repository.sh'), [repository, 'arm64', 'trixie', home]);
  const key = path.join(repository, 'key.asc');
  await writeFile(key, armored);
  const file = path.join(site.directory, 'docker.img');
  const { exitCode, stderr } = await site.bake(['--output', file], { os: { engine: { repository, key } } });
  t.is(exitCode, 0, stderr);
  const root = await mountedRoot(t, file);
  const packages = ['containerd.io', 'docker-ce', 'docker-ce-cli', 'docker-compose-plugin', 'docker.io'];
  const { stdout } = await execa('dpkg-query', [`--admindir=${root}/var/lib/dpkg`, '--show', '--showformat', '${db:Status-Abbrev}${Package}\n', ...packages], { reject: false });
  t.deepEqual(stdout.split('\n').filter((line) => line.startsWith('ii')), packages.slice(0, 4).map((name) => `ii ${name}`));
  t.is(await readlink(path.join(root, 'etc/systemd/system/multi-user.target.wants/docker.service')), '/usr/lib/systemd/system/docker.service');
  t.true((await left(path.join(root, 'var/lib/docker/overlay2'))).length >= 3, 'the engine has the images');
  t.false((await left(path.join(root, 'etc/apt/sources.list.d'))).includes('docker.sources'), 'a folder of this machine is nowhere on the device');

  const { armored: other } = await openpgpKey('rsa3072');
  await writeFile(key, other);
  const refused = await site.bake(['--output', path.join(site.directory, 'forged/')], { os: { engine: { repository, key } } });
  t.is(refused.exitCode, 1, 'packages that another key signed are not taken');
  t.deepEqual(await left(path.join(site.directory, 'forged')).catch(() => []), []);
});

test.serial('Ctrl-C while the store is filled leaves no container and nothing half-written', async (t) => {
  t.timeout(withinMs);
  const engine = await openEngine(createContext(), { allowPrivate: true });
  t.teardown(() => engine.stop());
  const containers = async (...filters: string[]) => {
    const args = ['ps', '--quiet', '--filter', 'ancestor=prose-ship/preload:build', ...filters];
    return (await execa('docker', args, { env: engine.dockerHost ? { DOCKER_HOST: engine.dockerHost } : {} })).stdout;
  };
  const output = await temporaryDirectory('interrupted');
  const { exitCode, result } = await site.bake(['--output', `${output}/`], { os: { hostname: 'cellar' }, interruptWhen: async () => (await containers()) !== '' });
  t.is(exitCode, 130, JSON.stringify(result));
  t.is((result['error'] as Record<string, string>)['code'], 'E_INTERRUPTED');
  t.is(await containers('--all'), '');
  t.deepEqual(await left(output), []);
});

test.serial('a base whose engine is older than the recipe asks for', async (t) => {
  t.timeout(withinMs);
  const recipe = path.join(site.directory, 'recipe');
  await cp(path.resolve(import.meta.dirname, '../../recipes/prosody'), recipe, { recursive: true });
  const file = path.join(recipe, 'recipe.yaml');
  await writeFile(file, (await readFile(file, 'utf8')).replace(/engine: '>=[\d.]+'/, "engine: '>=99'"));
  const output = path.join(site.directory, 'old/');
  const { exitCode, result } = await site.bake(['--output', output], { recipe });
  t.is(exitCode, 3, JSON.stringify(result));
  const error = result['error'] as Record<string, string>;
  t.is(error['code'], 'E_ENGINE_TOO_OLD');
  t.regex(error['message']!, /^the base's engine is \d+\.\d+\.\d+ \(docker\.io\), the recipe needs 99\.0\.0 or newer$/);
  t.regex(error['remedy']!, /newer base/);
  t.deepEqual(await left(output), []);
});

test.serial('a disk that is too small for the image is told with numbers before it is written', async (t) => {
  t.timeout(withinMs);
  const small = await temporaryDirectory('small');
  await mounted(t, ['-t', 'tmpfs', '-o', 'size=100m', 'tmpfs'], small);
  const { exitCode, result } = await site.bake(['--output', `${small}/`]);
  t.is(exitCode, 3, JSON.stringify(result));
  const error = result['error'] as Record<string, string>;
  t.is(error['code'], 'E_DISK_FULL');
  t.regex(error['message']!, /^The image needs \d+ MiB \(\d+ bytes\); only \d+ MiB \(\d+ bytes\) are free where/);
  t.regex(error['remedy']!, /Free \d+ MiB/);
  t.deepEqual(await left(small), []);
});

test.serial('an engine that runs no privileged containers: the card gets archives, and bake says so', async (t) => {
  t.timeout(withinMs);
  // Stands in for engines of hosted CI: the client's request for a privileged container is refused, everything else is real.
  const wrapper = await temporaryDirectory('wrapper');
  const { stdout: docker } = await execa('sh', ['-c', 'command -v docker']);
  const refuses = `#!/bin/sh\ncase "$*" in *--privileged*) echo 'Error response from daemon: privileged mode is disabled' >&2; exit 1 ;; esac\nexec ${docker} "$@"\n`;
  await writeFile(path.join(wrapper, 'docker'), refuses, { mode: 0o755 });
  const file = path.join(site.directory, 'archive.img');
  const { exitCode, result, stdout } = await site.bake(['--output', file], { environment: { PATH: `${wrapper}:${process.env['PATH'] ?? ''}` } });
  t.is(exitCode, 0, JSON.stringify(result));
  t.is((result['cards'] as { preload: string }[])[0]?.preload, 'archive');
  t.regex(stdout, /runs no privileged container.*the card gets archives, and its first boot loads them/);
  const root = await mountedRoot(t, file);
  const [id = ''] = await left(path.join(root, 'var/lib/prose-ship/releases'));
  t.true((await left(path.join(root, 'var/lib/prose-ship/releases', id, 'images'))).includes('server.tar.zst'));
});
