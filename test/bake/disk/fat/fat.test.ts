import { mkdir, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { openDiskFile, slice, type DiskReader } from '../../../../src/bake/disk/disk-file.ts';
import { listFat, readFatFile, readFatInfo, usedFatRanges } from '../../../../src/bake/disk/fat/fat.ts';
import { ExitStatus, ShipError } from '../../../../src/errors.ts';
import { tool } from '../../../support/cards/sample-os-image.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

const MiB = 1024 * 1024;

interface Volume {
  readonly file: string;
  readonly directory: string;
}

/** mkfs.vfat's arguments for each type; the 32-bit one has sectors of a card, few clusters, and 300 names in one folder. */
const kinds = {
  12: { args: ['-F', '12', '-s', '8'], sizeBytes: 8 * MiB },
  16: { args: ['-F', '16', '-s', '4'], sizeBytes: 32 * MiB },
  32: { args: ['-F', '32', '-s', '1'], sizeBytes: 48 * MiB },
} as const;

const volumes = new Map<12 | 16 | 32, Volume>();

test.before('file systems made by mkfs.vfat and mtools', async () => {
  for (const type of [12, 16, 32] as const) volumes.set(type, await makeVolume(type));
});

async function makeVolume(type: 12 | 16 | 32): Promise<Volume> {
  const directory = await temporaryDirectory('fat');
  const file = path.join(directory, 'fat.img');
  const tree = path.join(directory, 'tree');
  await mkdir(path.join(tree, 'overlays', 'Deeper Folder'), { recursive: true });
  await mkdir(path.join(tree, 'many'));
  await writeFile(path.join(tree, 'cmdline.txt'), 'root=PARTUUID=1234-02\n');
  await writeFile(path.join(tree, 'SHOUT.TXT'), 'loud\n');
  await writeFile(path.join(tree, 'a file whose name needs several entries, wörld.config'), 'long\n');
  await writeFile(path.join(tree, 'empty'), '');
  await writeFile(path.join(tree, 'kernel8.img'), pattern(700_001, 3));
  await writeFile(path.join(tree, 'overlays', 'vc4-kms-v3d.dtbo'), pattern(4096, 5));
  await writeFile(path.join(tree, 'overlays', 'Deeper Folder', 'end.txt'), 'deep\n');
  for (let index = 0; index < 300; index += 1) await writeFile(path.join(tree, 'many', `a long name ${index}.txt`), `${index}\n`);
  await writeFile(file, '');
  const { args, sizeBytes } = kinds[type];
  await truncate(file, sizeBytes);
  await tool('mkfs.vfat', [...args, '-n', 'bootfs', '-i', '00c0ffee', file]);
  // Two files that go again leave holes, so that the kernel comes to lie in pieces.
  await writeFile(path.join(directory, 'filler'), pattern(100_000, 7));
  for (const name of ['first', 'second', 'third']) await tool('mcopy', ['-i', file, path.join(directory, 'filler'), `::/${name}`]);
  await tool('mdel', ['-i', file, '::/first', '::/third']);
  await tool('sh', ['-ec', 'export LC_ALL=C.UTF-8; cd "$2" && mcopy -s -i "$1" -- * ::/', 'sh', file, tree]);
  await tool('mdel', ['-i', file, '::/second']);
  return { file, directory };
}

function pattern(length: number, step: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * step + (index >> 9)) & 0xff));
}

async function reading<T>(file: string, read: (partition: DiskReader) => Promise<T>): Promise<T> {
  const opened = await openDiskFile(file);
  try {
    return await read(opened);
  } finally {
    await opened.close();
  }
}

for (const type of [12, 16, 32] as const) {
  test(`FAT${type}: what minfo says`, async (t) => {
    const { file } = volumes.get(type)!;
    const minfo = await tool('minfo', ['-i', file, '::']);
    const info = await reading(file, readFatInfo);
    const sectorsPerCluster = Number(/cluster size: (\d+) sectors/.exec(minfo)?.[1]);
    const serial = /serial number: ([0-9A-F]{8})/.exec(minfo)?.[1]?.toLowerCase();
    t.deepEqual(info, { type, label: 'bootfs', volumeId: serial!, clusterBytes: sectorsPerCluster * 512 });
    t.regex(minfo, new RegExp(`disk type="FAT${type}`));
  });

  test(`FAT${type}: every file has the content that went in, whatever the case of its path`, async (t) => {
    const { file, directory } = volumes.get(type)!;
    await reading(file, async (partition) => {
      const names = [
        'cmdline.txt', 'SHOUT.TXT', 'empty', 'kernel8.img', 'overlays/vc4-kms-v3d.dtbo', 'overlays/Deeper Folder/end.txt',
        'a file whose name needs several entries, wörld.config', 'many/a long name 299.txt',
      ];
      for (const name of names) {
        const expected = await readFile(path.join(directory, 'tree', name));
        for (const asked of [name, `/${name}`, name.toUpperCase(), name.toLowerCase()]) {
          t.true((await readFatFile(partition, asked))?.equals(expected), asked);
        }
      }
      t.is((await readFatFile(partition, 'many/ALONGN~9.TXT'))?.toString(), await tool('mtype', ['-i', file, '::/many/ALONGN~9.TXT']) + '\n');
      t.is(await readFatFile(partition, 'first'), undefined, 'deleted');
      t.is(await readFatFile(partition, 'overlays'), undefined, 'a directory');
      t.is(await readFatFile(partition, 'cmdline.txt/more'), undefined);
    });
  });

  test(`FAT${type}: directories list what mdir lists`, async (t) => {
    const { file } = volumes.get(type)!;
    await reading(file, async (partition) => {
      for (const folder of ['', 'many', 'overlays', 'Overlays/Deeper folder']) {
        const theirs = (await tool('mdir', ['-b', '-a', '-i', file, `::/${folder}`]))
          .split('\n')
          .filter((line) => line.startsWith('::/'))
          .map((line) => line.replace(/\/$/, '').replace(/^.*\//, ''));
        const ours = (await listFat(partition, folder))!;
        const plain = (name: string) => name.replaceAll(/[^ -~]+/g, '?');
        t.deepEqual(ours.map(({ name }) => plain(name)).sort(), theirs.map(plain).sort(), folder);
      }
      t.is(await listFat(partition, 'nowhere'), undefined);
      t.is(await listFat(partition, 'cmdline.txt'), undefined);
      t.like((await listFat(partition, '/'))?.find(({ name }) => name === 'kernel8.img'), { directory: false, sizeBytes: 700_001 });
    });
  });

  test(`FAT${type}: used clusters are as many as fsck.fat counts, and nothing else is needed`, async (t) => {
    const { file, directory } = volumes.get(type)!;
    const [ranges, info] = await reading(file, async (partition) => [await usedFatRanges(partition), await readFatInfo(partition)] as const);
    const verbose = await tool('fsck.fat', ['-nv', file]);
    const counted = Number(/(\d+)\/\d+ clusters/.exec(verbose)?.[1]);
    const dataStart = Number(/Data area starts at byte (\d+)/.exec(verbose)?.[1]);
    const bytes = ranges.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    t.is(bytes, dataStart + counted * info.clusterBytes);
    t.true(ranges.length > 1, 'the holes of deleted files');

    const copy = path.join(directory, 'dirty.img');
    await writeFile(copy, Buffer.alloc(kinds[type].sizeBytes, 0xff));
    const target = await open(copy, 'r+');
    await reading(file, async (partition) => {
      for (const { startBytes, sizeBytes } of ranges) await target.write(await partition.read(startBytes, sizeBytes), 0, sizeBytes, startBytes);
    });
    await target.close();
    await tool('fsck.fat', ['-n', copy]);
    for (const name of ['kernel8.img', 'overlays/Deeper Folder/end.txt']) {
      const out = path.join(directory, 'out');
      await tool('mcopy', ['-n', '-i', copy, `::/${name}`, out]);
      t.true((await readFile(out)).equals(await readFile(path.join(directory, 'tree', name))), name);
      await rm(out);
    }
  });
}

test('a file system without label says so', async (t) => {
  const file = path.join(await temporaryDirectory('fat'), 'fat.img');
  await writeFile(file, '');
  await truncate(file, 8 * MiB);
  await tool('mkfs.vfat', ['-i', '12345678', file]);
  t.like(await reading(file, readFatInfo), { label: '', volumeId: '12345678' });
});

test('what is no FAT, and one that its partition cannot hold, is refused', async (t) => {
  const { file } = volumes.get(16)!;
  const zeros = await t.throwsAsync(reading(file, (disk) => readFatInfo(slice(disk, 20 * MiB, MiB))), { instanceOf: ShipError });
  t.is(zeros.code, 'E_FAT');
  t.is(zeros.exitStatus, ExitStatus.usage);
  t.regex(zeros.message, /no FAT file system/);
  const short = await t.throwsAsync(reading(file, (disk) => readFatInfo(slice(disk, 0, 16 * MiB))), { instanceOf: ShipError });
  t.is(short.code, 'E_FAT');
  t.regex(short.message, new RegExp(`needs \\d+ bytes, its partition has ${16 * MiB}`));
  t.regex(short.remedy ?? '', /fetch it again/);
});

test('chains that end nowhere or never are refused', async (t) => {
  const { file, directory } = volumes.get(16)!;
  const copy = path.join(directory, 'broken.img');
  const first = (await reading(file, (disk) => listFat(disk, '')))!.find(({ name }) => name === 'kernel8.img')!.firstCluster;
  const fatStart = Number(/First FAT starts at byte (\d+)/.exec(await tool('fsck.fat', ['-nv', file]))?.[1]);
  // Beyond the end; to a free cluster; ends too early.
  for (const [next, message] of [[0xfff0, /cluster 65520/], [0, /cluster 0/], [0xffff, /700001 bytes/]] as const) {
    const bytes = await readFile(file);
    bytes.writeUInt16LE(next, fatStart + first * 2);
    await writeFile(copy, bytes);
    const error = await t.throwsAsync(reading(copy, (disk) => readFatFile(disk, 'kernel8.img')), { instanceOf: ShipError });
    t.is(error.code, 'E_FAT');
    t.regex(error.message, message);
  }
});

test('a directory whose chain is a ring is refused', async (t) => {
  const { file, directory } = volumes.get(16)!;
  const copy = path.join(directory, 'ring.img');
  const first = (await reading(file, (disk) => listFat(disk, '')))!.find(({ name }) => name === 'many')!.firstCluster;
  const fatStart = Number(/First FAT starts at byte (\d+)/.exec(await tool('fsck.fat', ['-nv', file]))?.[1]);
  const bytes = await readFile(file);
  bytes.writeUInt16LE(first, fatStart + first * 2);
  await writeFile(copy, bytes);
  const error = await t.throwsAsync(reading(copy, (disk) => listFat(disk, 'many')), { instanceOf: ShipError, code: 'E_FAT' });
  t.regex(error.message, /'many' does not end/);
});
