import { chmod, chown, link, mkdir, open, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { mappedBytes, type BlockMap } from '../../../src/bake/block-map/block-map.ts';
import { formatBmap, parseBmap } from '../../../src/bake/block-map/bmap.ts';
import { computeBlockMap } from '../../../src/bake/block-map/compute-block-map.ts';
import { openDiskFile, slice } from '../../../src/bake/disk/disk-file.ts';
import { openExt4 } from '../../../src/bake/disk/ext4/open-ext4.ts';
import { usedFatRanges } from '../../../src/bake/disk/fat/fat.ts';
import { inspectImage } from '../../../src/bake/disk/inspect-image.ts';
import { makeSampleOsImage, tool, type SampleOsImage, type SampleOsImageOptions } from '../../support/cards/sample-os-image.ts';
import { withMounted } from '../../support/disks/mounted-image.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const MiB = 1024 * 1024;

/** A tree with what goes wrong when a needed block is left out: holes, zeros, large folders, links, deleted files. */
async function fullTree(directory: string): Promise<void> {
  await mkdir(path.join(directory, 'many'));
  for (let index = 0; index < 1500; index += 1) await writeFile(path.join(directory, 'many', `file number ${index}`), `content ${index}\n`);
  const sparse = await open(path.join(directory, 'sparse'), 'w');
  await sparse.write('begin', 0);
  await sparse.write('end', 9_000_000);
  await sparse.close();
  await writeFile(path.join(directory, 'more-zeros'), Buffer.alloc(5_000_000));
  await symlink('x'.repeat(200), path.join(directory, 'long-link'));
  await link(path.join(directory, 'sparse'), path.join(directory, 'hard-link'));
  await writeFile(path.join(directory, 'owned'), 'owned\n');
  await chown(path.join(directory, 'owned'), 1001, 33);
  await chmod(path.join(directory, 'owned'), 0o4750);
}

/** The block map, and how many bytes the blocks of 4 KiB have that the file systems touch. */
async function mapOf(image: SampleOsImage): Promise<{ map: BlockMap; usedBytes: number }> {
  const disk = await openDiskFile(image.file);
  try {
    const layout = await inspectImage(disk, image.file);
    const fat = await usedFatRanges(slice(disk, layout.boot.startBytes, layout.boot.sizeBytes));
    const ext4 = await (await openExt4(slice(disk, layout.root.startBytes, layout.root.sizeBytes))).usedRanges();
    const blocks = new Set<number>();
    for (const [ranges, { startBytes }] of [[fat, layout.boot], [ext4, layout.root]] as const) {
      for (const range of ranges) {
        const [first, end] = [startBytes + range.startBytes, startBytes + range.startBytes + range.sizeBytes];
        for (let block = Math.floor(first / 4096); block < end / 4096; block += 1) blocks.add(block);
      }
    }
    return { map: await computeBlockMap(disk, layout), usedBytes: blocks.size * 4096 };
  } finally {
    await disk.close();
  }
}

/** A card full of 0xFF, of which only the mapped ranges were written. */
async function flashDirty(image: SampleOsImage, map: BlockMap): Promise<string> {
  const card = `${image.file}.card`;
  await writeFile(card, Buffer.alloc(image.sizeBytes, 0xff));
  const [from, to] = [await open(image.file, 'r'), await open(card, 'r+')];
  for (const { startBytes, sizeBytes } of map.ranges) {
    const bytes = Buffer.alloc(sizeBytes);
    await from.read(bytes, 0, sizeBytes, startBytes);
    await to.write(bytes, 0, sizeBytes, startBytes);
  }
  await from.close();
  await to.close();
  return card;
}

async function mounted<T>(file: string, { startBytes, sizeBytes }: { startBytes: number; sizeBytes: number }, mode: 'ro' | 'rw', use: (directory: string) => Promise<T>): Promise<T> {
  return withMounted(file, `${mode},offset=${startBytes},sizelimit=${sizeBytes}`, use);
}

/** Names, kinds, modes, owners, times, links and the sha256 of every file, as find and sha256sum see them. */
async function listing(directory: string): Promise<string> {
  const find = "find . -printf '%p %y %m %U %G %s %T@ %n %l\\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum";
  return tool('sh', ['-ec', `cd "$1"; ${find}`, 'sh', directory]);
}

/** By mtools: not every kernel can mount FAT. */
async function fatListing(file: string, { startBytes }: { startBytes: number }): Promise<string> {
  const directory = await temporaryDirectory('fat');
  await tool('mcopy', ['-s', '-m', '-i', `${file}@@${startBytes}`, '::/', directory]);
  return (await listing(directory)).replaceAll(/^\. .*$/gm, '.');
}

async function partition(file: string, { startBytes, sizeBytes }: { startBytes: number; sizeBytes: number }): Promise<string> {
  const part = `${file}.partition`;
  await tool('dd', [`if=${file}`, `of=${part}`, 'bs=1M', `skip=${startBytes / MiB}`, `count=${sizeBytes / MiB}`, 'conv=sparse', 'status=none']);
  await truncate(part, sizeBytes);
  return part;
}

/**
 * Deleted files leave bytes in free blocks, and holes between used ones; zeros that were written are blocks in use, which
 * are then made holes of the image file.
 */
async function age(image: SampleOsImage): Promise<void> {
  await mounted(image.file, image.root, 'rw', async (root) => {
    for (const entry of await readdir(path.join(root, 'many'))) if (entry.endsWith('7')) await rm(path.join(root, 'many', entry));
    await writeFile(path.join(root, 'written-zeros'), Buffer.alloc(2_000_000));
  });
  await tool('fallocate', ['--dig-holes', image.file]);
}

const variants: Record<string, SampleOsImageOptions> = {
  'MBR': { rootBytes: 160 * MiB },
  'GPT': { table: 'gpt', rootBytes: 160 * MiB },
  'FAT16, blocks of 1 KiB, no metadata checksums': { fatType: 16, rootBytes: 160 * MiB, mke2fsArgs: ['-b', '1024', '-O', '^metadata_csum,uninit_bg'] },
};

for (const [name, options] of Object.entries(variants)) {
  test.serial(`a dirty card with the mapped ranges alone is whole: ${name}`, async (t) => {
    const file = path.join(await temporaryDirectory('card'), 'os.img');
    const image = await makeSampleOsImage(file, { ...options, populateRoot: fullTree });
    await age(image);
    const { map, usedBytes } = await mapOf(image);
    const card = await flashDirty(image, map);

    t.regex(await tool('sfdisk', ['--verify', card]), /No errors detected/);
    if (options.table === 'gpt') t.regex(await tool('sgdisk', ['--verify', card]), /No problems found/);
    await tool('e2fsck', ['-fn', await partition(card, image.root)]);
    const [rootBefore, rootAfter] = [await mounted(image.file, image.root, 'ro', listing), await mounted(card, image.root, 'ro', listing)];
    t.true(rootBefore.split('\n').length > 2500);
    t.is(rootAfter, rootBefore);
    await tool('fsck.fat', ['-n', await partition(card, image.boot)]);
    const [bootBefore, bootAfter] = [await fatListing(image.file, image.boot), await fatListing(card, image.boot)];
    t.regex(bootBefore, /overlays\/vc4-kms-v3d\.dtbo/);
    t.is(bootAfter, bootBefore);

    // It stays whole in use: new inodes and blocks come to lie where the stale bytes are.
    await mounted(card, image.root, 'rw', async (root) => {
      await mkdir(path.join(root, 'new'));
      for (let index = 0; index < 3000; index += 1) await writeFile(path.join(root, 'new', String(index)), `${index}\n`);
      t.is(await readFile(path.join(root, 'new', '2999'), 'utf8'), '2999\n');
    });
    await tool('e2fsck', ['-fn', await partition(card, image.root)]);

    const outside = 4096 + (options.table === 'gpt' ? 16 * 4096 : 0);
    t.true(mappedBytes(map) >= usedBytes);
    t.true(mappedBytes(map) <= (usedBytes + outside) * 1.01, 'near the used bytes');
    t.true(mappedBytes(map) < image.sizeBytes / 2);
  });
}

test.serial('a map of the holes of a sparse image would not do on a dirty card', async (t) => {
  const file = path.join(await temporaryDirectory('card'), 'os.img');
  const image = await makeSampleOsImage(file, { populateRoot: fullTree });
  await age(image);
  const holes = parseBmap(`${await tool('bmaptool', ['create', file])}\n`, 'holes');
  const zeros = async (map: BlockMap) =>
    mounted(await flashDirty(image, map), image.root, 'ro', async (root) => (await readFile(path.join(root, 'written-zeros'))).equals(Buffer.alloc(2_000_000)));
  t.true(await zeros((await mapOf(image)).map));
  t.false(await zeros(holes).catch(() => false));
});

test.serial('bmaptool copies by the map, and the map does not depend on how sparse the image is', async (t) => {
  const file = path.join(await temporaryDirectory('card'), 'os.img');
  const image = await makeSampleOsImage(file, { populateRoot: fullTree });
  const { map } = await mapOf(image);
  await writeFile(`${file}.bmap`, formatBmap(map));
  await tool('bmaptool', ['copy', '--bmap', `${file}.bmap`, file, `${file}.copy`]);
  const [from, to] = [await openDiskFile(file), await openDiskFile(`${file}.copy`)];
  for (const { startBytes, sizeBytes } of map.ranges) {
    t.true((await from.read(startBytes, sizeBytes)).equals(await to.read(startBytes, sizeBytes)));
  }
  await from.close();
  await to.close();

  const full = `${file}.full`;
  await tool('cp', ['--sparse=never', file, full]);
  t.true((await stat(full)).blocks * 512 >= image.sizeBytes);
  t.deepEqual((await mapOf({ ...image, file: full })).map, map);
});

test.serial('what lies between the partitions is mapped where it is not zero', async (t) => {
  const file = path.join(await temporaryDirectory('card'), 'os.img');
  const image = await makeSampleOsImage(file);
  const before = (await mapOf(image)).map;
  const handle = await open(file, 'r+');
  await handle.write('a boot loader', 2 * MiB + 8192 - 5);
  await handle.close();
  const after = (await mapOf(image)).map;
  const added = after.ranges.filter(({ startBytes }) => !before.ranges.some((range) => range.startBytes === startBytes));
  t.deepEqual(added.map(({ startBytes, sizeBytes }) => [startBytes, sizeBytes]), [[2 * MiB + 4096, 8192]]);
});

test.serial('a partition of another kind is mapped whole', async (t) => {
  const file = path.join(await temporaryDirectory('card'), 'os.img');
  const image = await makeSampleOsImage(file);
  await truncate(file, image.sizeBytes + 16 * MiB);
  await tool('sfdisk', ['--quiet', '--append', file], `start=${image.sizeBytes / 512}, type=82\n`);
  const { ranges } = (await mapOf(image)).map;
  t.like(ranges.at(-1), { startBytes: image.sizeBytes, sizeBytes: 16 * MiB });
});
