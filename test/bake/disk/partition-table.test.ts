import { open, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { openDiskFile } from '../../../src/bake/disk/disk-file.ts';
import { readPartitionTable, type PartitionTable } from '../../../src/bake/disk/partition-table.ts';
import { ExitStatus, ShipError } from '../../../src/errors.ts';
import { sampleIds, tool } from '../../support/cards/sample-os-image.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const MiB = 1024 * 1024;

async function disk(script: string, sizeBytes = 256 * MiB): Promise<string> {
  const file = path.join(await temporaryDirectory('table'), 'disk.img');
  await writeFile(file, '');
  await truncate(file, sizeBytes);
  await tool('sfdisk', ['--quiet', file], script);
  return file;
}

async function read(file: string): Promise<PartitionTable> {
  const opened = await openDiskFile(file);
  try {
    return await readPartitionTable(opened);
  } finally {
    await opened.close();
  }
}

async function overwrite(file: string, offset: number, bytes: Buffer): Promise<void> {
  const handle = await open(file, 'r+');
  await handle.write(bytes, 0, bytes.length, offset);
  await handle.close();
}

interface Dump {
  readonly partitiontable: {
    readonly label: string;
    readonly id: string;
    readonly partitions: readonly { node: string; start: number; size: number; type: string; uuid?: string; name?: string }[];
  };
}

/** The same table as sfdisk reads it. */
async function asSfdisk(file: string): Promise<PartitionTable> {
  const { partitiontable: table } = JSON.parse(await tool('sfdisk', ['--json', file])) as Dump;
  const gpt = table.label === 'gpt';
  const diskId = table.id.replace(/^0x/, '').toLowerCase();
  const partitions = table.partitions
    .map(({ node, start, size, type, uuid, name }) => {
      const number = Number(node.slice(file.length));
      return {
        number,
        type: gpt ? type : type.padStart(2, '0'),
        startBytes: start * 512,
        sizeBytes: size * 512,
        id: uuid?.toLowerCase() ?? `${diskId}-${number.toString(16).padStart(2, '0')}`,
        ...(name ? { name } : {}),
      };
    })
    .filter(({ type }) => type !== '05' && type !== '0f');
  return { kind: gpt ? 'gpt' : 'mbr', diskId, partitions };
}

const gptScript = `label: gpt\nlabel-id: ${sampleIds.gptDiskId}\n\nsize=64MiB, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, uuid=${sampleIds.gptBootId}, name="Boot ä"\nsize=128MiB, type=linux, uuid=${sampleIds.gptRootId}\n`;

test('an MBR with extended and logical partitions is read as sfdisk reads it', async (t) => {
  const file = await disk('label: dos\nlabel-id: 0x0000beef\n\n8MiB,64MiB,c\n72MiB,,5\n5: size=32MiB, type=83\n6: size=16MiB, type=82\n7: type=83\n');
  const table = await read(file);
  t.deepEqual(table, await asSfdisk(file));
  t.deepEqual(table.partitions.map(({ number, id }) => [number, id]), [
    [1, '0000beef-01'],
    [5, '0000beef-05'],
    [6, '0000beef-06'],
    [7, '0000beef-07'],
  ]);
});

test('partition numbers are those of the slots, and need not be in the order of the disk', async (t) => {
  const file = await disk('label: dos\n\n3: start=8MiB, size=64MiB, type=83\n1: start=100MiB, size=8MiB, type=c\n');
  const table = await read(file);
  t.deepEqual(table, await asSfdisk(file));
  t.deepEqual(table.partitions.map(({ number }) => number), [1, 3]);
});

test('a GPT is read as sfdisk reads it', async (t) => {
  const file = await disk(gptScript);
  const table = await read(file);
  t.deepEqual(table, await asSfdisk(file));
  t.is(table.diskId, sampleIds.gptDiskId);
  t.is(table.partitions[0]?.name, 'Boot ä');
});

test('the backup stands in for a primary GPT whose header or entries are damaged', async (t) => {
  const file = await disk(gptScript);
  const whole = await read(file);
  for (const offset of [512 + 60, 1024 + 40]) {
    const damaged = await disk(gptScript);
    await overwrite(damaged, offset, Buffer.from('damage'));
    t.deepEqual(await read(damaged), whole);
  }
});

test('a GPT of which both copies are damaged is refused', async (t) => {
  const file = await disk(gptScript);
  await overwrite(file, 1024 + 40, Buffer.from('damage'));
  await overwrite(file, 256 * MiB - 512 + 60, Buffer.from('damage'));
  const error = await t.throwsAsync(read(file), { instanceOf: ShipError });
  t.is(error.code, 'E_PARTITION_TABLE');
  t.is(error.exitStatus, ExitStatus.usage);
  t.regex(error.message, /both copies/);
  t.regex(error.remedy ?? '', /fetch it again/);
});

test('a hybrid MBR counts as GPT', async (t) => {
  const file = await disk(gptScript);
  const before = await read(file);
  await tool('sgdisk', ['--hybrid', '1:EE', file]);
  t.deepEqual(await read(file), before);
});

test('sectors of 4096 bytes are named', async (t) => {
  const file = await disk(gptScript);
  const header = Buffer.from('EFI PART');
  await overwrite(file, 512, Buffer.alloc(512));
  await overwrite(file, 256 * MiB - 512, Buffer.alloc(512));
  await overwrite(file, 4096, header);
  const error = await t.throwsAsync(read(file), { instanceOf: ShipError });
  t.regex(error.message, /sectors of 4096 bytes/);
});

test('a chain of extended boot records that does not end is refused', async (t) => {
  const file = await disk('label: dos\n\n8MiB,64MiB,c\n72MiB,,5\n5: size=32MiB, type=83\n6: size=16MiB, type=82\n');
  const loop = Buffer.alloc(16);
  loop.writeUInt8(5, 4);
  loop.writeUInt32LE(0, 8);
  loop.writeUInt32LE(1, 12);
  await overwrite(file, 72 * MiB + 0x1ce, loop);
  const error = await t.throwsAsync(read(file), { instanceOf: ShipError });
  t.is(error.code, 'E_PARTITION_TABLE');
  t.regex(error.message, /does not end/);
});

test('zeros and a file of a few bytes have no table', async (t) => {
  for (const size of [100, 4096]) {
    const file = path.join(await temporaryDirectory('table'), 'zeros');
    await writeFile(file, Buffer.alloc(size));
    const error = await t.throwsAsync(read(file), { instanceOf: ShipError });
    t.is(error.code, 'E_PARTITION_TABLE');
    t.regex(error.message, /no partition table/);
  }
});
