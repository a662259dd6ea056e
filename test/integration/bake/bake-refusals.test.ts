import { appendFile, mkdir, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import { entry, node, proseShip, type CommandLineResult } from '../../support/command-line.ts';
import { startFileServer } from '../../support/file-server.ts';
import { packedRelease } from '../../support/releases/packed-release.ts';
import { makeSampleOsImage } from '../../support/cards/sample-os-image.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const slowDocker = path.resolve(import.meta.dirname, '../../fixtures/cli/slow-docker');
const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f anna@desk';
const mebibyte = 1024 * 1024;

let site: string;
let release: string;
let id: string;
let image: string;
/** An engine that answers, and takes a minute for every build. */
let environment: Record<string, string>;
test.before(async () => {
  site = await temporaryDirectory('bake');
  const packed = await packedRelease([{ 'usr/lib/data': randomBytes(6 * mebibyte) }], '1.0.0', site);
  release = packed.directory;
  id = packed.manifest.id;
  await appendFile(path.join(site, 'prose-ship.yaml'), `os: {authorizedKeys: ['${key}']}\n`);
  image = path.join(site, 'base.img');
  await makeSampleOsImage(image);
  environment = { PATH: `${slowDocker}:${process.env['PATH'] ?? ''}`, SLOW_DOCKER_LOG: path.join(site, 'log'), PROSE_SHIP_CACHE: path.join(site, 'cache') };
});

async function bake(args: readonly string[], more: Record<string, string> = {}): Promise<CommandLineResult & { readonly error: Readonly<Record<string, unknown>> }> {
  const result = await proseShip(['bake', '--release', release, '--bases', 'registry', ...args], { cwd: site, environment: { ...environment, ...more } });
  return { ...result, error: (result.result['error'] ?? {}) as Record<string, unknown> };
}

/** What a bake that failed left in a folder. */
async function left(directory = path.join(site, 'build/os-image')): Promise<string[]> {
  return existsSync(directory) ? await readdir(directory, { recursive: true }) : [];
}

test.serial('a base that is broken, or is no OS image, is refused, and nothing stays', async (t) => {
  const file = (name: string) => path.join(site, name);
  await execa('xz', ['--keep', '-1', '--block-size=1MiB', image]);
  const xz = await readFile(`${image}.xz`);
  await writeFile(file('cut.img.xz'), xz.subarray(0, xz.length - 2000));
  const broken = Buffer.from(xz);
  randomBytes(64).copy(broken, Math.floor(xz.length / 3));
  await writeFile(file('broken.img.xz'), broken);
  await writeFile(file('cut.img'), (await readFile(image)).subarray(0, 30 * mebibyte));
  await writeFile(file('text.img'), 'This is no image.\n'.repeat(5000));
  await writeFile(file('zeros.img'), '');
  await truncate(file('zeros.img'), 64 * mebibyte);
  await writeFile(file('empty.img'), '');
  await writeFile(file('other.img'), (await readFile(image)).fill(0, 56 * mebibyte, 57 * mebibyte));
  for (const [name, code, message, remedy] of [
    ['absent.img', 'E_IMAGE_NOT_FOUND', /absent\.img/, /./],
    ['empty.img', 'E_IMAGE_EMPTY', /empty/, /./],
    ['cut.img.xz', 'E_IMAGE_CORRUPT', /cut\.img\.xz/, /again/i],
    ['broken.img.xz', 'E_IMAGE_CORRUPT', /broken\.img\.xz/, /again/i],
    ['cut.img', 'E_NOT_AN_OS_IMAGE', /cut/, /./],
    ['text.img', 'E_NOT_AN_OS_IMAGE', /partition table/, /./],
    ['zeros.img', 'E_NOT_AN_OS_IMAGE', /./, /./],
    ['other.img', 'E_NOT_AN_OS_IMAGE', /./, /./],
  ] as const) {
    const { exitCode, error } = await bake(['--base', file(name)]);
    t.is(exitCode, 2, `${name}: ${JSON.stringify(error)}`);
    t.is(error['code'], code, name);
    t.regex(`${String(error['message'])} ${JSON.stringify(error['place'] ?? '')}`, message, name);
    t.regex(String(error['remedy']), remedy, name);
    t.deepEqual(await left(), [], name);
  }
});

test.serial('a base whose sum is not the announced one is refused with both, and nothing stays', async (t) => {
  const server = await startFileServer();
  t.teardown(() => server.close());
  server.files.set('/base.img.xz', { content: await readFile(`${image}.xz`) });
  server.files.set('/base.img.xz.sha256', { content: `${'0'.repeat(64)}  base.img.xz\n` });
  const { exitCode, error } = await bake(['--base', `${server.url}/base.img.xz`]);
  t.is(exitCode, 1);
  t.is(error['code'], 'E_CHECKSUM');
  t.regex(String(error['message']), /[0-9a-f]{64}.*0{64}/);
  t.truthy(error['remedy']);
  t.deepEqual(await left(), []);
  const images = path.join(site, 'cache/os-images');
  t.deepEqual((await left(images)).filter((name) => name.includes('download')), []);
});

test.serial('a platform that the release has not', async (t) => {
  const { exitCode, error } = await bake(['--platform', 'linux/arm/v7']);
  t.is(exitCode, 3);
  t.like(error, { code: 'E_WRONG_ARCHITECTURE', message: `Release ${id} has no images for linux/arm/v7, only for linux/arm64` });
  t.regex(String(error['remedy']), /platforms/);
});

test.serial('a base of another architecture is refused before anything is built', async (t) => {
  const file = path.join(site, 'armhf.img');
  await withShell(file, '7f454c460101010000000000000000000200280000');
  const { exitCode, error } = await bake(['--base', file]);
  t.is(exitCode, 3);
  t.like(error, { code: 'E_WRONG_ARCHITECTURE', message: "The base 'armhf' is for linux/arm/v7, the card for linux/arm64" });
  t.regex(String(error['remedy']), /--platform.*--base/);
  t.deepEqual(await left(), []);
  t.false(existsSync(path.join(site, 'cache/os-roots')));
  await rm(file);
});

test.serial('what is wrong in the site is told by bake and by check, at its place', async (t) => {
  const directory = await temporaryDirectory('bake');
  const good = (await readFile(path.join(site, 'prose-ship.yaml'), 'utf8')).replace(/^os:.*\n/m, '');
  for (const [lines, code, remedy] of [
    [`  hostname: Kitchen_Pi\n  authorizedKeys: ['${key}']`, 'E_BAD_HOSTNAME', /kitchen-pi/],
    [`  user: root\n  authorizedKeys: ['${key}']`, 'E_BAD_USER', /root/],
    [`  timezone: Europe/Berlim\n  authorizedKeys: ['${key}']`, 'E_BAD_TIMEZONE', /Europe\/Berlin/],
    [`  wifi: {country: UK}\n  authorizedKeys: ['${key}']`, 'E_BAD_COUNTRY', /'GB'/],
    ["  authorizedKeys: ['hello']", 'E_BAD_KEY', /./],
  ] as const) {
    await writeFile(path.join(directory, 'prose-ship.yaml'), `${good}os:\n${lines}\n`);
    for (const verb of ['bake', 'check']) {
      const { exitCode, result } = await proseShip([verb], { cwd: directory, environment });
      t.is(exitCode, 2, `${verb} ${code}`);
      t.regex(JSON.stringify(result['error']), new RegExp(`"${code}"`), verb);
      t.regex(JSON.stringify(result['error']), remedy, verb);
      t.regex(JSON.stringify(result['error']), /"line":\d+/, verb);
    }
  }
  t.deepEqual(await readdir(directory), ['prose-ship.yaml']);
});

test.serial('a machine that cannot run programs of the card says so before anything is built', async (t) => {
  // In a mount namespace whose binfmt_misc is empty, as on a machine without QEMU.
  const script = 'mount -t tmpfs none /proc/sys/fs/binfmt_misc && exec "$@"';
  const args = ['bake', '--release', release, '--bases', 'registry', '--base', image, '--json'];
  const { exitCode, stdout } = await execa('unshare', ['--mount', 'sh', '-c', script, 'sh', node, entry, ...args], { cwd: site, env: { CI: '1', ...environment }, reject: false });
  t.is(exitCode, 3);
  const { error } = JSON.parse(stdout.trim().split('\n').at(-1)!) as { error: Record<string, string> };
  t.like(error, { code: 'E_EMULATION_MISSING', message: 'This machine cannot run programs for linux/arm64' });
  t.regex(error['remedy']!, /prose-ship doctor --fix/);
  t.deepEqual(await left(), []);
});

test.serial('a disk that becomes full while the release is laid down', async (t) => {
  const small = path.join(await temporaryDirectory('small'), 'disk');
  await mkdir(small);
  await execa('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', small]);
  t.teardown(() => execa('umount', [small], { reject: false }));
  const { exitCode, error } = await bake(['--base', image, '--preload', 'archive', '--output', `${small}/`]);
  t.is(exitCode, 1, JSON.stringify(error));
  t.is(error['code'], 'E_DISK_FULL');
  t.true(String(error['message']).includes(small));
  t.regex(String(error['message']), /\d+ MiB \(\d+ bytes\) are free/);
  t.regex(String(error['remedy']), /Free space/);
  t.deepEqual(await left(small), []);
});

test.serial('Ctrl-C while an image is built: exit status 130, and nothing half-made stays', async (t) => {
  const log = path.join(site, 'interrupted.log');
  const args = ['bake', '--release', release, '--bases', 'registry', '--base', image];
  const child = execa(node, [entry, ...args], { cwd: site, reject: false, timeout: 60_000, env: { CI: '1', ...environment, SLOW_DOCKER_LOG: log } });
  for (let tries = 0; tries < 600 && !existsSync(log); tries++) await delay(50);
  t.true((await left()).some((name) => name.startsWith('.baking-')), 'it is under way');
  child.kill('SIGINT');
  const { exitCode, stderr } = await child;
  t.is(exitCode, 130, stderr);
  t.regex(stderr, /E_INTERRUPTED/);
  t.throws(() => process.kill(Number(child.pid), 0), { code: 'ESRCH' });
  t.deepEqual(await left(), []);
});

test.serial('an image cannot be booted where QEMU is missing', async (t) => {
  // Everything that boot needs before: nothing but Node.
  const file = path.join(site, 'bootable.img');
  const { exitCode, result } = await proseShip(['boot', await withShell(file, '7f454c460201010000000000000000000200b70000')], { cwd: site, environment: { ...environment, PATH: slowDocker } });
  t.is(exitCode, 3, JSON.stringify(result));
  t.like(result['error'], { code: 'E_QEMU_MISSING' });
  t.regex(JSON.stringify(result['error']), /prose-ship doctor --fix/);
  t.deepEqual(await left(path.join(site, 'cache/boot')), []);
  await rm(file);
});

/** An image whose shell begins so: ELF's header tells what it is for. */
async function withShell(file: string, header: string): Promise<string> {
  await makeSampleOsImage(file, { populateRoot: (root) => writeFile(path.join(root, 'usr/bin/dash'), Buffer.from(header, 'hex')) });
  return file;
}
