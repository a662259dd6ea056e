import { copyFile, mkdir, open, readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openDiskFile, type DiskReader } from '../../../../src/bake/disk/disk-file.ts';
import { openExt4 } from '../../../../src/bake/disk/ext4/open-ext4.ts';
import { createContext } from '../../../../src/context.ts';
import { ShipError } from '../../../../src/errors.ts';
import { run } from '../../../../src/host/process.ts';
import { makeImage, sampleBytes } from '../../../support/disks/ext4-image.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

const context = createContext();
const directory = await temporaryDirectory('ext4-damaged');
const root = path.join(directory, 'tree');
const sizeBytes = 8 * 1024 * 1024;
/** Behind these, the small images of this test hold content of files. */
const metadataBytes = 256 * 1024;
const rounds = 400;

await mkdir(path.join(root, 'a/b/c'), { recursive: true });
await mkdir(path.join(root, 'many'));
for (let number = 0; number < 120; number++) await writeFile(path.join(root, 'many', `${number}-${'x'.repeat(60)}`), '');
await writeFile(path.join(root, 'a/b/c/file'), sampleBytes(700_000));
const holes = await open(path.join(root, 'holes'), 'w');
for (let number = 0; number < 40; number++) await holes.write(sampleBytes(1024, number), 0, 1024, number * 65_536);
await holes.close();

async function image(name: string, options: readonly string[]): Promise<string> {
  const file = path.join(directory, name);
  await makeImage(context, file, ['-b', '1024', '-N', '256', ...options], root, sizeBytes);
  await writeFile(`${file}.value`, sampleBytes(600));
  await run(context, { program: 'debugfs', args: ['-w', '-R', `ea_set -f ${file}.value /a/b user.long`, file] });
  return file;
}

function inMemory(content: Buffer): DiskReader {
  return {
    sizeBytes: content.length,
    read(offset, length) {
      if (offset < 0 || offset + length > content.length) return Promise.reject(new Error(`${length} bytes at ${offset} were read`));
      return Promise.resolve(Buffer.from(content.subarray(offset, offset + length)));
    },
  };
}

/** Reads everything; a damaged size may make a file of terabytes of zeros, which is no reason to wait for its end. */
async function readAll(disk: DiskReader): Promise<number> {
  const ext4 = await openExt4(disk);
  let entries = 0;
  for await (const entry of ext4.walk()) {
    entries++;
    let readBytes = 0;
    for await (const piece of entry.content()) {
      readBytes += (piece as Buffer).length;
      if (readBytes > 8 * 1024 * 1024) break;
    }
    if (entries > 10_000) throw new Error('the walk does not end');
  }
  await ext4.usedRanges();
  return entries;
}

async function refusal(t: ExecutionContext, disk: DiskReader): Promise<ShipError> {
  const error = await t.throwsAsync(readAll(disk), { instanceOf: ShipError });
  t.is(error.code, 'E_EXT4');
  t.is(error.exitStatus, 2);
  t.truthy(error.remedy);
  return error;
}

const kinds: Readonly<Record<string, readonly string[]>> = {
  'with checksums': ['-t', 'ext4'],
  'without checksums': ['-t', 'ext4', '-O', '^metadata_csum,^64bit'],
  'with block maps': ['-t', 'ext3'],
  'with inline data': ['-t', 'ext4', '-O', 'inline_data,^metadata_csum'],
};

for (const [name, options] of Object.entries(kinds)) {
  test.serial(`damage anywhere is refused or harmless, and never an endless or failing read: ${name}`, async (t) => {
    const content = await readFile(await image(name.replaceAll(' ', '-'), options));
    t.true((await readAll(inMemory(content))) > 125);
    // Bytes that are not zero in what is no file's content: there damage means something.
    const meaningful = [...content.subarray(0, metadataBytes).entries()].flatMap(([offset, byte]) => (byte === 0 ? [] : [offset]));
    const random = sampleBytes(rounds * 8, 42);
    let refused = 0;
    for (let round = 0; round < rounds; round++) {
      const damaged = Buffer.from(content);
      const offset = meaningful[random.readUInt32LE(round * 8) % meaningful.length]!;
      damaged[offset] = damaged[offset]! ^ (random[round * 8 + 4]! || 1);
      if (round % 3 === 0) damaged.fill(random[round * 8 + 5]!, offset, offset + (random[round * 8 + 6]! % 16));
      try {
        await readAll(inMemory(damaged));
      } catch (error) {
        t.true(error instanceof ShipError && error.code === 'E_EXT4' && error.exitStatus === 2, `offset ${offset}: ${String(error)} ${error instanceof Error ? String(error.stack) : ''}`);
        refused++;
      }
    }
    t.true(refused > rounds / 40, `${refused} of ${rounds} were refused`);
    t.log(`${refused} of ${rounds} were refused`);
  });
}

test.serial('with checksums, one wrong bit in metadata is refused with its place', async (t) => {
  const file = await image('bits', ['-t', 'ext4']);
  const content = await readFile(file);
  const located = await run(context, { program: 'debugfs', args: ['-R', 'imap <2>', file] });
  const [, block, inBlock] = /located at block (\d+), offset 0x([0-9a-f]+)/.exec(located.stdout)!;
  const inodeOffset = Number(block) * 1024 + Number.parseInt(inBlock!, 16);
  const blocks = async (name: string): Promise<number[]> =>
    (await run(context, { program: 'debugfs', args: ['-R', `blocks ${name}`, file] })).stdout.trim().split(/\s+/).map(Number);
  const { stdout: extents } = await run(context, { program: 'debugfs', args: ['-R', 'stat /holes', file] });
  const node = Number(/\(ETB0\):(\d+)/.exec(extents)![1]);
  const { stdout: attributes } = await run(context, { program: 'debugfs', args: ['-R', 'stat /a/b', file] });
  const xattrBlock = Number(/File ACL: (\d+)/.exec(attributes)![1]);
  const { stdout: groups } = await run(context, { program: 'dumpe2fs', args: [file] });
  const bitmap = Number(/Block bitmap at (\d+)/.exec(groups)![1]);
  const places: readonly [offset: number, message: RegExp][] = [
    [1024 + 0x78, /superblock.*checksum does not match \(offset 1024\)/],
    [2048 + 0x0c, /descriptor of group 0 does not match \(offset 2048\)/],
    [inodeOffset + 0x10, new RegExp(`checksum of an inode does not match \\(inode 2, offset ${inodeOffset}\\)`)],
    [(await blocks('/a'))[0]! * 1024 + 30, /checksum of a block of a directory does not match \(inode \d+, offset \d+\)/],
    [node * 1024 + 20, new RegExp(`node of an extent tree does not match \\(inode \\d+, offset ${node * 1024}\\)`)],
    [xattrBlock * 1024 + 1000, new RegExp(`block of extended attributes does not match \\(inode \\d+, offset ${xattrBlock * 1024}\\)`)],
    [bitmap * 1024 + 100, /block bitmap of group 0 does not match/],
  ];
  for (const [offset, message] of places) {
    const damaged = Buffer.from(content);
    damaged[offset] = damaged[offset]! ^ 1;
    t.regex((await refusal(t, inMemory(damaged))).message, message);
  }
});

test.serial('a truncated image is refused', async (t) => {
  const whole = await image('whole', ['-t', 'ext4']);
  for (const length of [0, 1000, 1500, 2048, 5000, sizeBytes / 2, sizeBytes - 1]) {
    const file = path.join(directory, 'truncated');
    await copyFile(whole, file);
    await truncate(file, length);
    const disk = await openDiskFile(file);
    await refusal(t, disk);
    await disk.close();
  }
});

test.serial('what cannot be read is refused by name', async (t) => {
  const cases: readonly [feature: string, message: RegExp, remedy: RegExp][] = [
    ['needs_recovery', /journal still holds changes \(needs_recovery\)/, /e2fsck -fy/],
    ['encrypt', /does not read: encrypt$/, /without them/],
    ['casefold', /does not read: casefold$/, /without them/],
    ['FEATURE_I30', /does not read: FEATURE_I30$/, /without them/],
  ];
  for (const [feature, message, remedy] of cases) {
    const file = await image('features', ['-t', 'ext4']);
    await run(context, { program: 'debugfs', args: ['-w', '-R', `feature ${feature}`, file] });
    const error = await refusal(t, inMemory(await readFile(file)));
    t.regex(error.message, message);
    t.regex(error.remedy!, remedy);
  }
  t.regex((await refusal(t, inMemory(Buffer.alloc(sizeBytes)))).message, /holds no ext4 file system/);
});

test.serial('a directory that contains itself and a block map that points to itself end', async (t) => {
  const loop = await image('loop', ['-t', 'ext4']);
  await run(context, { program: 'debugfs', args: ['-w', '-R', 'ln /a /a/b/again', loop] });
  t.regex((await refusal(t, inMemory(await readFile(loop)))).message, /'a\/b\/again' has a second name/);

  const map = await image('map', ['-t', 'ext3']);
  const { stdout } = await run(context, { program: 'debugfs', args: ['-R', 'stat /a/b/c/file', map] });
  const indirect = Number(/\(DIND\):(\d+)/.exec(stdout)![1]);
  const content = await readFile(map);
  for (let at = 0; at < 1024; at += 4) content.writeUInt32LE(indirect, indirect * 1024 + at);
  t.regex((await refusal(t, inMemory(content))).message, new RegExp(`block ${indirect} holds block numbers of two places \\(inode \\d+\\)`));
});
