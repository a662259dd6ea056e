import { mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { rootfsLayout } from '../../../src/bake/base/rootfs-layout.ts';
import { openDiskFile } from '../../../src/bake/disk/disk-file.ts';
import { openExt4, type Ext4 } from '../../../src/bake/disk/ext4/open-ext4.ts';
import { createContext } from '../../../src/context.ts';
import { run } from '../../../src/host/process.ts';
import { blobPath, readLayout } from '../../../src/oci/layout.ts';
import { parsePlatform } from '../../../src/oci/platform.ts';
import { dumpe2fs } from '../../support/disks/dumpe2fs.ts';
import { withMounted } from '../../support/disks/mounted-image.ts';
import { observeEntries, observeMounted, type Observed } from '../../support/disks/observed-tree.ts';
import { recordingContext } from '../../support/recording-context.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const context = createContext();
const platform = parsePlatform('linux/arm64')!;
/** Where the partition starts in the disk image of these tests. */
const startBytes = 4 * 1024 * 1024;
const partitionBytes = 512 * 1024 * 1024;

async function makeFileSystem(file: string, mkfs: readonly string[], sizeBytes: number): Promise<void> {
  await (await open(file, 'w')).close();
  await run(context, { program: 'mke2fs', args: ['-q', '-F', ...mkfs, file, `${sizeBytes / 1024}k`] });
}

function withoutSockets(tree: readonly Observed[]): Observed[] {
  return tree.filter(({ type }) => type !== 'socket');
}

function comparable(t: ExecutionContext, actual: readonly Observed[], expected: readonly Observed[]): void {
  t.deepEqual(actual.map((entry) => entry.path), expected.map((entry) => entry.path));
  for (const [index, entry] of expected.entries()) t.deepEqual(actual[index], entry, entry.path);
}

/** The first block that e2fsprogs calls used and the reader free, or the other way round; -1 when there is none. */
async function firstWrongBlock(ext4: Ext4, image: string): Promise<number> {
  const { used, unwritten } = await dumpe2fs(context, image);
  const actual = new Uint8Array(used.length);
  for (const { startBytes, sizeBytes } of await ext4.usedRanges()) {
    actual.fill(1, startBytes / ext4.info.blockBytes, (startBytes + sizeBytes) / ext4.info.blockBytes);
  }
  return actual.findIndex((isUsed, block) => (isUsed === 1) !== (used[block] === 1 && !unwritten[block]));
}

const fileSystems: readonly { name: string; mkfs: readonly string[]; environment?: Record<string, string>; contains: string }[] = [
  { name: 'ext4 as mke2fs makes it', mkfs: ['-t', 'ext4'], contains: 'metadata_csum' },
  { name: 'ext3 with blocks of 1024 bytes', mkfs: ['-t', 'ext3', '-b', '1024', '-I', '128'], environment: { HUGE: '3000000000' }, contains: 'has_journal' },
  {
    name: 'inline data and long extended attributes',
    mkfs: ['-t', 'ext4', '-I', '512', '-O', 'inline_data,ea_inode,^64bit,meta_bg,^resize_inode,bigalloc', '-C', '16384'],
    environment: { LONG_XATTR: '20000' },
    contains: 'ea_inode',
  },
];

for (const { name, mkfs, environment = {}, contains } of fileSystems) {
  test.serial(`the tree is what the kernel shows, read and unpacked from the layer: ${name}`, async (t) => {
    const directory = await temporaryDirectory('rootfs-layout');
    const image = path.join(directory, 'root.ext4');
    await makeFileSystem(image, mkfs, partitionBytes);
    const script = path.join(import.meta.dirname, 'rootfs-layout-tree.sh');
    await withMounted(image, 'rw', (root) => run(context, { program: 'sh', args: [script, root], env: environment }));
    const expected = await withMounted(image, 'ro', (root) => observeMounted(context, root));
    t.true(expected.length > 3000 && expected.some((entry) => entry.xattrs['security.capability']));

    const disk = await openDiskFile(image);
    t.teardown(() => disk.close());
    const ext4 = await openExt4(disk);
    t.true(ext4.info.features.includes(contains));
    comparable(t, await observeEntries(ext4.walk()), expected);
    t.is(await firstWrongBlock(ext4, image), -1);

    // `huge` would be gigabytes of zeros in the layer.
    await withMounted(image, 'rw', (root) => rm(path.join(root, 'huge')));
    const expectedSmall = withoutSockets(await withMounted(image, 'ro', (root) => observeMounted(context, root)));
    const recording = recordingContext();
    const layout = path.join(directory, 'layout');
    const made = await rootfsLayout(recording.context, disk, { startBytes: 0, sizeBytes: disk.sizeBytes }, { directory: layout, platform, createdSeconds: 1_735_689_600 });
    t.deepEqual(made.leftOut, ['run/socket', 'run/zz-socket']);
    t.true(recording.events.some((event) => event.type === 'log' && event.level === 'warning' && event.message.includes('run/socket')));
    t.is(made.entries, expectedSmall.length);

    const unpacked = path.join(directory, 'unpacked.ext4');
    await makeFileSystem(unpacked, ['-t', 'ext4', '-I', '256', '-O', 'ea_inode'], 2 * partitionBytes);
    const actual = await withMounted(unpacked, 'rw', async (root) => {
      const layer = path.join(layout, blobPath(made.layer.digest));
      const options = ['--extract', '--same-permissions', '--same-owner', '--numeric-owner', '--xattrs', '--xattrs-include=*', '--sparse', '--delay-directory-restore'];
      await run(context, { program: 'tar', args: [...options, '--file', layer, '--directory', root] });
      return observeMounted(context, root);
    });
    comparable(t, actual, expectedSmall);
  });
}

test.serial('a partition inside a disk becomes an image of one layer, the same one each time', async (t) => {
  const directory = await temporaryDirectory('rootfs-layout');
  const root = path.join(directory, 'tree');
  await mkdir(root);
  await writeFile(path.join(root, 'content'), Buffer.alloc(4 * 1024 * 1024, 'prose '));
  const image = path.join(directory, 'root.ext4');
  await run(context, { program: 'mke2fs', args: ['-q', '-F', '-t', 'ext4', '-d', root, image, '32M'] });
  const diskFile = path.join(directory, 'disk.img');
  await run(context, { program: 'dd', args: [`if=${image}`, `of=${diskFile}`, 'bs=1M', 'seek=4', 'conv=sparse', 'status=none'] });
  const disk = await openDiskFile(diskFile);
  t.teardown(() => disk.close());
  const partition = { startBytes, sizeBytes: 32 * 1024 * 1024 };
  const options = { directory: path.join(directory, 'layout'), platform, createdSeconds: 1_735_689_600 };
  const first = await rootfsLayout(context, disk, partition, options);
  const second = await rootfsLayout(context, disk, partition, options);
  t.deepEqual(second, first);
  const [read, ...others] = await readLayout(options.directory);
  t.deepEqual(others, []);
  t.is(read?.config.created, '2025-01-01T00:00:00Z');
  t.deepEqual(read?.config.rootfs.diff_ids, [first.layer.digest]);
  t.deepEqual(read?.platform, platform);
  const copied = await run(context, { program: 'skopeo', args: ['inspect', `oci:${options.directory}:${first.tag}`, '--override-arch', 'arm64'] });
  t.true(copied.stdout.includes(first.layer.digest));

  const controller = new AbortController();
  const aborting = { ...options, directory: path.join(directory, 'aborted'), onProgress: () => controller.abort(new Error('stop')) };
  await t.throwsAsync(rootfsLayout(createContext({ signal: controller.signal }), disk, partition, aborting), { message: 'stop' });
  t.false((await readdir(directory)).some((name) => name.includes('aborted')));
});
