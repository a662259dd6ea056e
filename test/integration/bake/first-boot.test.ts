import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { osFiles } from '../../../src/device/os-files.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const execute = promisify(execFile);
const firstBoot = osFiles({ firewall: true, securityUpdates: true }).find(({ target }) => target.endsWith('/first-boot'))!.source;
const mebibyte = 1024 ** 2;

/**
 * A disk of 512 MiB with a root partition that ends at 84 MiB, attached; detached with the test. It is not mounted: growing a
 * mounted file system takes CAP_SYS_RESOURCE, which containers lack. A card that boots does that.
 */
async function attachCard(t: ExecutionContext, table: string): Promise<{ readonly disk: string; readonly root: string }> {
  const directory = await temporaryDirectory('card');
  const image = path.join(directory, 'disk.img');
  await writeFile(image, '');
  await truncate(image, 128 * mebibyte);
  await execute('sh', ['-c', 'printf "%b" "$2" | sfdisk --quiet "$1"', 'sh', image, table]);
  // The card is larger than the image that was written to it.
  await truncate(image, 512 * mebibyte);
  const disk = (await execute('losetup', ['--find', '--show', image])).stdout.trim();
  t.teardown(async () => { await execute('losetup', ['--detach', disk]); });
  // Not by --partscan: there are kernels that cannot read the tables themselves.
  await execute('partx', ['--add', disk]);
  t.teardown(async () => { await execute('partx', ['--delete', disk]); });
  const root = `${disk}p2`;
  await makeNode(t, root);
  await execute('mkfs.ext4', ['-q', root]);
  return { disk, root };
}

/** In a container nobody makes the nodes of partitions. */
async function makeNode(t: ExecutionContext, device: string): Promise<void> {
  const number = (await readFile(`/sys/class/block/${path.basename(device)}/dev`, 'utf8')).trim();
  if (await stat(device).then(() => true, () => false)) return;
  await execute('mknod', [device, 'b', ...number.split(':')]);
  t.teardown(() => rm(device));
}

const mbr = 'label: dos\\nlabel-id: 0x12345678\\nstart=8192, size=32768, type=c\\nstart=40960, size=131072, type=83\\n';
const gpt = 'label: gpt\\nlabel-id: 11111111-2222-3333-4444-555555555555\\nstart=8192, size=32768\\nstart=40960, size=131072, uuid=AAAAAAAA-2222-3333-4444-555555555555\\n';

for (const [name, table, last] of [['MBR', mbr, 512 * 2048], ['GPT', gpt, 512 * 2048 - 33]] as const) {
  test.serial(`grows the root to the end of a card with ${name}; the second time nothing is left to do`, async (t) => {
    const { disk, root } = await attachCard(t, table);
    const id = await identifiers(disk);
    await execute(firstBoot, ['grow', root]);
    const [, size = '0'] = /size= *(\d+)(?=[^\n]*\n*$)/.exec((await execute('sfdisk', ['--dump', disk])).stdout) ?? [];
    // The last whole MiB, or the last sector before the table's second copy.
    t.true(40_960 + Number(size) > last - 2048, `${size} sectors`);
    t.is(await identifiers(disk), id, 'cmdline.txt and fstab name the partition by these');
    t.is(await sectorsOf(root), Number(size), 'the kernel knows');
    t.true((await fileSystemBytes(root)) > 480 * mebibyte);
    await t.notThrowsAsync(execute('e2fsck', ['-fn', root]));
    const table1 = await firstMebibyte(disk);
    const { stderr } = await execute(firstBoot, ['grow', root]);
    t.regex(stderr, /Nothing to do/);
    t.deepEqual(await firstMebibyte(disk), table1);
  });
}

test.serial('goes on after a power cut between partition and file system', async (t) => {
  const { disk, root } = await attachCard(t, mbr);
  await execute('sh', ['-c', 'echo ", +" | sfdisk --quiet --no-reread --no-tell-kernel -N 2 "$1" && partx --update --nr 2 "$1"', 'sh', disk]);
  t.true((await fileSystemBytes(root)) < 65 * mebibyte);
  await execute(firstBoot, ['grow', root]);
  t.true((await fileSystemBytes(root)) > 480 * mebibyte);
});

test.serial('leaves a root alone that is not the last partition', async (t) => {
  const { root } = await attachCard(t, `${mbr}start=180224, size=2048, type=83\\n`);
  const { stdout } = await execute(firstBoot, ['grow', root]);
  t.regex(stdout, /not the last partition/);
  t.is(await sectorsOf(root), 131_072);
});

test('refuses what is no partition', async (t) => {
  const error = await t.throwsAsync<Error & { stderr: string }>(execute(firstBoot, ['grow', '/dev/null']));
  t.regex(error.stderr, /\/dev\/null is no partition/);
});

test('makes host keys of its own, keeps good ones, and makes broken ones again', async (t) => {
  const root = await temporaryDirectory('keys');
  const place = path.join(root, 'etc/ssh');
  await mkdir(place, { recursive: true });
  const kinds = ['rsa', 'ecdsa', 'ed25519'];
  const read = () => Promise.all(kinds.map((kind) => readFile(path.join(place, `ssh_host_${kind}_key`), 'utf8')));
  await execute(firstBoot, ['host-keys', root]);
  const first = await read();
  t.true(first.every((key) => key.includes('PRIVATE KEY')));
  await execute(firstBoot, ['host-keys', root]);
  t.deepEqual(await read(), first, 'good ones stay');

  // As a power cut leaves them: names without content.
  await writeFile(path.join(place, 'ssh_host_ed25519_key'), '');
  await writeFile(path.join(place, 'ssh_host_ecdsa_key.pub'), '');
  const { stderr } = await execute(firstBoot, ['host-keys', root]);
  t.is(stderr.match(/is broken/g)?.length, 2);
  const second = await read();
  t.deepEqual(second.map((key, index) => key === first[index]), [true, false, false]);
  for (const kind of kinds) await t.notThrowsAsync(execute('ssh-keygen', ['-l', '-f', path.join(place, `ssh_host_${kind}_key.pub`)]));
  t.is((await stat(path.join(place, 'ssh_host_ed25519_key'))).mode & 0o777, 0o600);
});

async function identifiers(disk: string): Promise<string> {
  const { stdout } = await execute('sfdisk', ['--dump', disk]);
  return [...stdout.matchAll(/label-id: \S+|type=[^,\n]+|uuid=[^,\n]+|start= *\d+/g)].join(' ');
}

async function sectorsOf(partition: string): Promise<number> {
  return Number(await readFile(`/sys/class/block/${path.basename(partition)}/size`, 'utf8'));
}

async function fileSystemBytes(partition: string): Promise<number> {
  const { stdout } = await execute('dumpe2fs', ['-h', partition]);
  const field = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, 'm').exec(stdout)?.[1]);
  return field('Block count') * field('Block size');
}

async function firstMebibyte(disk: string): Promise<Buffer> {
  const { stdout } = await execute('head', ['--bytes', String(mebibyte), disk], { encoding: 'buffer' });
  return stdout;
}
