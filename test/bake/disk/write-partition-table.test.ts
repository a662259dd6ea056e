import { open, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { openDiskFile } from '../../../src/bake/disk/disk-file.ts';
import { readPartitionTable, readRawPartitionTable, type PartitionTable, type RawPartitionTable } from '../../../src/bake/disk/partition-table.ts';
import { newMbr, resizeLastPartition, type DiskPatch } from '../../../src/bake/disk/write-partition-table.ts';
import { ShipError } from '../../../src/errors.ts';
import { sampleIds, tool } from '../../support/cards/sample-os-image.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;
const sizeBytes = 256 * MiB;

async function blank(size: number): Promise<string> {
  const file = path.join(await temporaryDirectory('table'), 'disk.img');
  await writeFile(file, '');
  await truncate(file, size);
  return file;
}

async function disk(script: string): Promise<string> {
  const file = await blank(sizeBytes);
  await tool('sfdisk', ['--quiet', file], script);
  return file;
}

async function withDisk<T>(file: string, use: (opened: Awaited<ReturnType<typeof openDiskFile>>) => Promise<T>): Promise<T> {
  const opened = await openDiskFile(file);
  try {
    return await use(opened);
  } finally {
    await opened.close();
  }
}
const raw = (file: string): Promise<RawPartitionTable> => withDisk(file, readRawPartitionTable);
const table = (file: string): Promise<PartitionTable> => withDisk(file, readPartitionTable);

/** A new image that holds nothing but the table. */
async function written(patches: readonly DiskPatch[], size: number): Promise<string> {
  const file = await blank(size);
  const handle = await open(file, 'r+');
  for (const { offset, bytes } of patches) await handle.write(bytes, 0, bytes.length, offset);
  await handle.close();
  return file;
}

/** What sfdisk says, without the name of the file, which differs. */
const dump = async (file: string) => (await tool('sfdisk', ['--dump', file])).replaceAll(file, 'disk');

const mbrScript = `label: dos\nlabel-id: 0x${sampleIds.mbrDiskId}\n\n8MiB,64MiB,c,*\n72MiB,128MiB,83\n`;
const gptScript = `label: gpt\nlabel-id: ${sampleIds.gptDiskId}\n\nstart=8MiB, size=64MiB, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, uuid=${sampleIds.gptBootId}, name="boot", attrs="LegacyBIOSBootable"\nstart=72MiB, size=128MiB, type=linux, uuid=${sampleIds.gptRootId}, name="root"\n`;

for (const [how, newSize, rootSize] of [
  ['grows', 20 * GiB, 19 * GiB],
  ['shrinks', 128 * MiB, 48 * MiB],
] as const) {
  test(`an MBR ${how}: only the size of the last partition changes`, async (t) => {
    const file = await disk(mbrScript);
    const handle = await open(file, 'r+');
    await handle.write(Buffer.from('boot code'), 0, 9, 0);
    await handle.close();
    const result = await written(resizeLastPartition(await raw(file), { imageSizeBytes: newSize, partitionSizeBytes: rootSize }), newSize);
    t.is(await dump(result), (await dump(file)).replace(/size= *262144/, `size=${String(rootSize / 512).padStart(12)}`));
    t.regex(await tool('sfdisk', ['--verify', result]), /No errors detected/);
    const [before, after] = [await raw(file), await raw(result)].map(({ bootRecord }) => bootRecord.toString('latin1', 0, 0x1be + 16));
    t.is(after, before);
  });

  test(`a GPT ${how}: both copies are right and ids, names and attributes stay`, async (t) => {
    const file = await disk(gptScript);
    const result = await written(resizeLastPartition(await raw(file), { imageSizeBytes: newSize, partitionSizeBytes: rootSize }), newSize);
    const expected = (await dump(file))
      .replace(/size= *262144/, `size=${String(rootSize / 512).padStart(12)}`)
      .replace(/last-lba: \d+/, `last-lba: ${newSize / 512 - 34}`);
    t.is(await dump(result), expected);
    t.regex(await tool('sfdisk', ['--verify', result]), /No errors detected/);
    t.regex(await tool('sgdisk', ['--verify', result]), /No problems found/);
    const whole = await table(result);
    t.is(whole.partitions[1]?.sizeBytes, rootSize);
    const handle = await open(result, 'r+');
    await handle.write(Buffer.alloc(512), 0, 512, 512);
    await handle.close();
    t.deepEqual(await table(result), whole, 'the backup says the same');
  });
}

test('a GPT whose primary was damaged comes out whole', async (t) => {
  const file = await disk(gptScript);
  const handle = await open(file, 'r+');
  await handle.write(Buffer.from('damage'), 0, 6, 1024 + 40);
  await handle.close();
  const result = await written(resizeLastPartition(await raw(file), { imageSizeBytes: GiB, partitionSizeBytes: 512 * MiB }), GiB);
  t.regex(await tool('sgdisk', ['--verify', result]), /No problems found/);
});

test('the hybrid MBR of a GPT keeps its entries; the one of the last partition follows it', async (t) => {
  const file = await disk(gptScript);
  await tool('sgdisk', ['--hybrid', '1:2:EE', file]);
  const result = await written(resizeLastPartition(await raw(file), { imageSizeBytes: GiB, partitionSizeBytes: 512 * MiB }), GiB);
  const nested = async (of: string) => (await tool('sfdisk', ['--label-nested', 'dos', '--dump', of])).replaceAll(of, 'disk');
  t.is(await nested(result), (await nested(file)).replace(/size= *262144/, `size=${String(MiB).padStart(12)}`));
  t.regex(await tool('sgdisk', ['--verify', result]), /No problems found/);
});

test('what does not fit is refused with the numbers', async (t) => {
  for (const script of [mbrScript, gptScript]) {
    const before = await raw(await disk(script));
    const error = t.throws(() => resizeLastPartition(before, { imageSizeBytes: 200 * MiB, partitionSizeBytes: 129 * MiB }), { instanceOf: ShipError });
    t.is(error.code, 'E_PARTITION_TABLE');
    t.is(error.message, `partition 2 of ${129 * MiB} bytes from ${72 * MiB} on does not fit into an image of ${200 * MiB} bytes`);
    t.regex(error.remedy ?? '', /larger/);
    t.throws(() => resizeLastPartition(before, { imageSizeBytes: 200 * MiB, partitionSizeBytes: MiB + 1 }), { message: /not whole sectors/ });
  }
  // The backup of a GPT needs 33 sectors behind the partition.
  const gpt = await raw(await disk(gptScript));
  t.throws(() => resizeLastPartition(gpt, { imageSizeBytes: 200 * MiB, partitionSizeBytes: 128 * MiB }), { message: /does not fit/ });
  t.notThrows(() => resizeLastPartition(gpt, { imageSizeBytes: 200 * MiB + 33 * 512, partitionSizeBytes: 128 * MiB }));
});

test('a last partition inside an extended one is refused', async (t) => {
  const before = await raw(await disk('label: dos\n\n8MiB,64MiB,c\n72MiB,,5\n5: size=32MiB, type=83\n'));
  const error = t.throws(() => resizeLastPartition(before, { imageSizeBytes: GiB, partitionSizeBytes: 64 * MiB }), { instanceOf: ShipError });
  t.regex(error.message, /extended/);
  t.regex(error.remedy ?? '', /primary/);
});

test('a new MBR is byte for byte what sfdisk writes', async (t) => {
  const size = 12 * GiB;
  const partitions = [
    { type: '0c', startBytes: 8 * MiB, sizeBytes: 512 * MiB },
    { type: '83', startBytes: 520 * MiB, sizeBytes: 11 * GiB },
  ];
  const bytes = newMbr({ diskId: sampleIds.mbrDiskId, partitions });
  const file = await blank(size);
  await tool('sfdisk', ['--quiet', file], `label: dos\nlabel-id: 0x${sampleIds.mbrDiskId}\n\n8MiB,512MiB,c\n520MiB,11GiB,83\n`);
  const theirs = await withDisk(file, (opened) => opened.read(0, 512));
  t.is(bytes.toString('hex'), theirs.toString('hex'));
  t.regex(await tool('sfdisk', ['--verify', await written([{ offset: 0, bytes }], size)]), /No errors detected/);
});

test('a new MBR refuses overlaps, wrong ids and what an MBR cannot hold', (t) => {
  const boot = { type: '0c', startBytes: 8 * MiB, sizeBytes: 64 * MiB };
  const message = (diskId: string, partitions: Parameters<typeof newMbr>[0]['partitions']) =>
    t.throws(() => newMbr({ diskId, partitions }), { instanceOf: ShipError, code: 'E_PARTITION_TABLE' }).message;
  t.regex(message('0123', [boot]), /'0123' is not a disk id/);
  t.regex(message('01234567', [boot, boot]), /partition 2 begins inside/);
  t.regex(message('01234567', [{ ...boot, startBytes: 0 }]), /start of partition 1/);
  t.regex(message('01234567', [{ ...boot, sizeBytes: 3 * 1024 * GiB }]), /does not fit into an MBR/);
  t.regex(message('01234567', [boot, boot, boot, boot, boot]), /4 partitions, not 5/);
});
