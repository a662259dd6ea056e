import { open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { openDiskFile } from '../../../src/bake/disk/disk-file.ts';
import { inspectImage, type OsImageLayout } from '../../../src/bake/disk/inspect-image.ts';
import { ExitStatus, ShipError } from '../../../src/errors.ts';
import { makeSampleOsImage, sampleIds, tool, type SampleOsImageOptions } from '../../support/cards/sample-os-image.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const MiB = 1024 * 1024;

async function scratch(): Promise<string> {
  return path.join(await temporaryDirectory('inspect'), 'os.img');
}

async function inspect(file: string): Promise<OsImageLayout> {
  const disk = await openDiskFile(file);
  try {
    return await inspectImage(disk, 'os.img');
  } finally {
    await disk.close();
  }
}

const sample = async (options?: SampleOsImageOptions) => makeSampleOsImage(await scratch(), options);

/** The first bytes of a real one of its kind (test/fixtures/file-system-heads/make.sh). */
async function head(kind: string): Promise<Buffer> {
  return gunzipSync(await readFile(path.join(import.meta.dirname, '../../fixtures/file-system-heads', `${kind}.gz`)));
}

async function overwrite(file: string, offset: number, bytes: Buffer): Promise<void> {
  const handle = await open(file, 'r+');
  await handle.write(bytes, 0, bytes.length, offset);
  await handle.close();
}

for (const table of ['mbr', 'gpt'] as const) {
  test(`an image with ${table} is told apart into boot and root`, async (t) => {
    const { file, boot, root } = await sample({ table });
    const layout = await inspect(file);
    t.like(layout, {
      table: { kind: table, diskId: table === 'mbr' ? sampleIds.mbrDiskId : sampleIds.gptDiskId },
      boot: { number: 1, ...boot },
      root: { number: 2, ...root },
      fat: { type: 32, label: 'bootfs', volumeId: sampleIds.fatVolumeId, clusterBytes: 512 },
      ext4: { uuid: sampleIds.rootUuid, label: 'rootfs', blockBytes: 4096, blocks: root.sizeBytes / 4096 },
      bootKind: 'raspberry-pi-os',
    });
    t.regex(layout.kernelCommandLine ?? '', /^console=\S+ .* rootwait$/);
  });
}

/** FAT, a small ext4 (label small), a large ext4, in the partitions 1 to 3. */
async function withTwoRoots(cmdline: string, bootFiles: Record<string, string> = {}): Promise<string> {
  const { file, sizeBytes } = await sample({
    bootBytes: 40 * MiB,
    rootBytes: 32 * MiB,
    cmdline,
    populateBoot: async (directory) => {
      for (const [name, content] of Object.entries(bootFiles)) await writeFile(path.join(directory, name), content);
    },
  });
  await truncate(file, sizeBytes + 64 * MiB);
  await tool('sfdisk', ['--quiet', '--append', file], `start=${sizeBytes / 512}, type=83\n`);
  await tool('mke2fs', ['-q', '-F', '-t', 'ext4', '-L', 'large', '-E', `offset=${sizeBytes}`, file, `${64 * 1024}k`]);
  return file;
}

for (const [cmdline, number] of [
  [`root=PARTUUID=${sampleIds.mbrDiskId}-02 rw`, 2],
  [`root=PARTUUID=${sampleIds.mbrDiskId.toUpperCase()}-03 rw`, 3],
  [`quiet root=UUID=${sampleIds.rootUuid}`, 2],
  ['root=LABEL=rootfs', 2],
  ['root=LABEL=large', 3],
  ['root=/dev/mmcblk0p2 rootwait', 2],
  ['root=/dev/mmcblk0p2 root=/dev/sda3', 3],
  ['root=LABEL=elsewhere', 3],
  ['console=tty1', 3],
] as const) {
  test(`of two ext4 partitions, '${cmdline}' means partition ${number}`, async (t) => {
    t.is((await inspect(await withTwoRoots(cmdline))).root.number, number);
  });
}

test('the kind of boot partition is told by its files', async (t) => {
  const kind = async (name: string, remove: string[], label = 'bootfs') => {
    const { file, boot } = await sample({ populateBoot: (directory) => (name ? writeFile(path.join(directory, name), '') : Promise.resolve()) });
    const volume = `${file}@@${boot.startBytes}`;
    for (const old of remove) await tool('mdel', ['-i', volume, `::/${old}`]);
    if (label !== 'bootfs') await tool('mlabel', ['-i', volume, `::${label}`]);
    return (await inspect(file)).bootKind;
  };
  t.is(await kind('', []), 'raspberry-pi-os');
  t.is(await kind('vmlinuz-6.12.0-arm64', ['kernel8.img']), 'debian');
  t.is(await kind('', ['kernel8.img']), 'unknown');
  t.is(await kind('', ['bootcode.bin', 'start4.elf']), 'unknown');
  t.is(await kind('vmlinuz', ['kernel8.img'], 'system-boot'), 'unknown');
});

async function refusal(t: ExecutionContext, file: string): Promise<ShipError> {
  const error = await t.throwsAsync(inspect(file), { instanceOf: ShipError });
  t.is(error.code, 'E_NOT_AN_OS_IMAGE');
  t.is(error.exitStatus, ExitStatus.usage);
  t.true(error.message.startsWith("'os.img' is not an image of an operating system for a Raspberry Pi: "), error.message);
  t.truthy(error.remedy);
  return error;
}
/** What is said about a file of these bytes. */
async function refusalOf(t: ExecutionContext, bytes: Buffer | string): Promise<string> {
  const file = await scratch();
  await writeFile(file, bytes);
  return (await refusal(t, file)).message.replace(/^'os.img' is not an image [^:]*: /, '');
}

test('files that are no disk images are refused by name', async (t) => {
  t.is(await refusalOf(t, ''), 'it is empty');
  t.is(await refusalOf(t, 'hello'), 'there is no partition table in 5 bytes');
  t.regex(await refusalOf(t, Buffer.alloc(4 * MiB)), /^there is no partition table$/);
  t.is(await refusalOf(t, await head('iso')), 'it is an ISO 9660 image (an installer for PCs)');
  const directory = await temporaryDirectory('compressed');
  await writeFile(path.join(directory, 'raw'), 'raw bytes');
  for (const [program, args, name] of [
    ['xz', ['-k', 'raw'], 'an xz-compressed file'],
    ['zstd', ['-q', 'raw', '-o', 'out'], 'a zstd-compressed file'],
    ['gzip', ['-k', 'raw'], 'a gzip-compressed file'],
    ['tar', ['-cf', 'out.tar', 'raw'], 'a tar archive'],
  ] as const) {
    await tool('sh', ['-ec', 'cd "$1"; shift; "$@"', 'sh', directory, program, ...args]);
    const made = { xz: 'raw.xz', zstd: 'out', gzip: 'raw.gz', tar: 'out.tar' }[program];
    t.is(await refusalOf(t, await readFile(path.join(directory, made))), `it is ${name}`);
  }
  t.is(await refusalOf(t, Buffer.from('PK\x03\x04rest of an archive')), 'it is a zip archive');
});

const fileSystems = {
  btrfs: 'a btrfs file system',
  f2fs: 'an f2fs file system',
  xfs: 'an XFS file system',
  squashfs: 'a squashfs file system',
  luks: 'an encrypted LUKS container',
  lvm: 'an LVM physical volume',
} as const;

for (const [kind, name] of Object.entries(fileSystems)) {
  test(`${kind}, alone and as the root partition, is refused by name`, async (t) => {
    t.is(await refusalOf(t, await head(kind)), `it is ${name} without a partition table`);
    const { file, root } = await sample();
    await overwrite(file, root.startBytes, Buffer.alloc(128 * 1024));
    await overwrite(file, root.startBytes, await head(kind));
    t.regex((await refusal(t, file)).message, new RegExp(`its root partition \\(2, as cmdline.txt says\\) holds ${name}, not ext4$`));
    // Where nothing says which partition it is, all are named.
    const { file: untold, root: place } = await sample({ cmdline: 'quiet' });
    await overwrite(untold, place.startBytes, Buffer.alloc(128 * 1024));
    await overwrite(untold, place.startBytes, await head(kind));
    const { message } = await refusal(t, untold);
    t.true(message.endsWith(`it has no ext4 root partition; partition 1: a FAT file system, partition 2: ${name}`), message);
  });
}

test('ext2, ext3 and file systems without a partition table are refused by name', async (t) => {
  for (const [type, name] of [['ext2', 'an ext2'], ['ext3', 'an ext3'], ['ext4', 'an ext4']] as const) {
    const file = await scratch();
    await writeFile(file, '');
    await truncate(file, 16 * MiB);
    await tool('mke2fs', ['-q', '-F', '-t', type, file]);
    t.true((await refusal(t, file)).message.endsWith(`it is ${name} file system without a partition table`));
  }
  const file = await scratch();
  await writeFile(file, '');
  await truncate(file, 40 * MiB);
  await tool('mkfs.vfat', ['-F', '32', '-s', '1', file]);
  t.true((await refusal(t, file)).message.endsWith('it is a FAT file system without a partition table'));
});

test('an image without FAT partition names what is there', async (t) => {
  const { file, boot } = await sample();
  await overwrite(file, boot.startBytes, Buffer.alloc(4096));
  const { message } = await refusal(t, file);
  t.true(message.endsWith('it has no FAT boot partition; partition 1: unknown, partition 2: an ext4 file system'), message);
});

test('a truncated image is refused with the numbers', async (t) => {
  for (const table of ['mbr', 'gpt'] as const) {
    const { file, root } = await sample({ table });
    await truncate(file, 100 * MiB);
    const error = await refusal(t, file);
    const end = root.startBytes + root.sizeBytes;
    t.true(error.message.endsWith(`it is truncated: partition 2 ends at byte ${end}, the file has ${100 * MiB} bytes`), error.message);
    t.regex(error.remedy ?? '', /fetch it again/);
  }
});

test('an empty partition table and a damaged FAT are refused', async (t) => {
  const empty = await scratch();
  await writeFile(empty, '');
  await truncate(empty, 16 * MiB);
  await tool('sfdisk', ['--quiet', empty], 'label: dos\n');
  t.regex((await refusal(t, empty)).message, /its partition table is empty$/);

  const { file, boot } = await sample();
  const sectors = Buffer.alloc(4);
  sectors.writeUInt32LE(200_000);
  await overwrite(file, boot.startBytes + 32, sectors);
  const damaged = await refusal(t, file);
  t.regex(damaged.message, /partition 1/);
});

test('remains of a file system at the beginning do not hide a partition table', async (t) => {
  const { file } = await sample();
  const remains = await head('btrfs');
  await overwrite(file, 65_536, remains.subarray(65_536));
  t.is((await inspect(file)).root.number, 2);
});

test('the sample is sparse', async (t) => {
  const { file } = await sample();
  t.true((await stat(file)).blocks * 512 < 24 * MiB);
});
