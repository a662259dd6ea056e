import { ShipError } from '../../errors.ts';
import { slice, type DiskReader } from './disk-file.ts';
import { openExt4, type Ext4Info } from './ext4/open-ext4.ts';
import { listFat, readFatFile, readFatInfo, type FatInfo } from './fat/fat.ts';
import { identifyContents, type Contents } from './identify-contents.ts';
import { notAnOsImage } from './not-an-os-image.ts';
import { readPartitionTable, type Partition, type PartitionTable } from './partition-table.ts';
import { bootKindOf, rootDevice, type BootKind, type RootDevice } from './boot-partition.ts';

export interface OsImageLayout {
  readonly table: PartitionTable;
  readonly boot: Partition;
  readonly root: Partition;
  readonly fat: FatInfo;
  readonly ext4: Ext4Info;
  readonly bootKind: BootKind;
  /** cmdline.txt's first line, where there is one. */
  readonly kernelCommandLine?: string;
}

/**
 * Finds boot and root partition of an MBR or GPT image for a Raspberry Pi. `name` stands in messages.
 * Boot: the FAT partition with a kernel, else the first FAT. Root: the ext4 that root= in cmdline.txt names, else the
 * largest ext4. The disk is only read, a few hundred kilobytes of it.
 * @throws ShipError E_NOT_AN_OS_IMAGE (exit status 2) that says what it is instead
 */
export async function inspectImage(disk: DiskReader, name: string): Promise<OsImageLayout> {
  await refuseOtherFormats(disk, name);
  const table = await readTable(disk, name);
  refuseTruncated(disk, table, name);
  const found = await Promise.all(
    table.partitions.map(async (partition): Promise<FoundPartition> => {
      const reader = slice(disk, partition.startBytes, partition.sizeBytes);
      return { partition, reader, contents: await identifyContents(reader) };
    }),
  );
  const { layout, rootNamed } = await findBoot(found, name);
  return { table, ...layout, ...(await findRoot(found, rootNamed, name)) };
}

interface FoundPartition {
  readonly partition: Partition;
  readonly reader: DiskReader;
  readonly contents: Contents | undefined;
}

async function refuseOtherFormats(disk: DiskReader, name: string): Promise<void> {
  if (disk.sizeBytes === 0) throw notAnOsImage(name, 'it is empty', 'It was not copied or downloaded whole: fetch it again.');
  const contents = await identifyContents(disk);
  if (!contents) return;
  const { kind, description } = contents;
  if (kind === 'compressed') throw notAnOsImage(name, `it is ${description}`, 'Uncompress it first.');
  if (kind === 'virtual-disk') {
    throw notAnOsImage(name, `it is ${description}`, 'Convert it first: `qemu-img convert -O raw OLD NEW.img`.');
  }
  // A boot record with partitions may hold remains of a file system that was there before, save in its first bytes.
  const remains = ['ext4', 'file-system', 'container'].includes(kind) && (await hasPartitions(disk));
  if (!remains) throw notAnOsImage(name, `it is ${description}${kind === 'archive' ? '' : ' without a partition table'}`);
}

async function hasPartitions(disk: DiskReader): Promise<boolean> {
  try {
    return (await readPartitionTable(disk)).partitions.length > 0;
  } catch (error) {
    if (error instanceof ShipError) return false;
    throw error;
  }
}

async function readTable(disk: DiskReader, name: string): Promise<PartitionTable> {
  const table = await readPartitionTable(disk).catch((error: unknown) => {
    if (error instanceof ShipError) throw notAnOsImage(name, error.message);
    throw error;
  });
  if (table.partitions.length === 0) throw notAnOsImage(name, 'its partition table is empty');
  return table;
}

function refuseTruncated(disk: DiskReader, { partitions }: PartitionTable, name: string): void {
  for (const { number, startBytes, sizeBytes } of partitions) {
    const end = startBytes + sizeBytes;
    if (end <= disk.sizeBytes) continue;
    const what = `it is truncated: partition ${number} ends at byte ${end}, the file has ${disk.sizeBytes} bytes`;
    throw notAnOsImage(name, what, 'It was not copied or downloaded whole: fetch it again.');
  }
}

interface Boot {
  readonly layout: Pick<OsImageLayout, 'boot' | 'fat' | 'bootKind' | 'kernelCommandLine'>;
  readonly rootNamed: RootDevice | undefined;
}

async function findBoot(found: readonly FoundPartition[], name: string): Promise<Boot> {
  const candidates: Boot[] = [];
  for (const candidate of found) {
    if (candidate.contents?.kind === 'fat') candidates.push(await damagedIsRefused(candidate, name, () => readBoot(candidate)));
  }
  const boot = candidates.find(({ layout }) => layout.bootKind !== 'unknown') ?? candidates[0];
  if (!boot) throw notAnOsImage(name, `it has no FAT boot partition; ${inventory(found)}`);
  return boot;
}

async function readBoot({ partition, reader }: FoundPartition): Promise<Boot> {
  const fat = await readFatInfo(reader);
  const files = ((await listFat(reader, '/')) ?? []).map((entry) => entry.name);
  const line = (await readFatFile(reader, 'cmdline.txt'))?.toString('utf8').split('\n', 1)[0]?.trim();
  return {
    layout: {
      boot: partition,
      fat,
      bootKind: bootKindOf(files, line, fat.label),
      ...(line === undefined ? {} : { kernelCommandLine: line }),
    },
    rootNamed: line === undefined ? undefined : rootDevice(line),
  };
}

async function damagedIsRefused<T>({ partition }: FoundPartition, name: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof ShipError) throw notAnOsImage(name, `partition ${partition.number} is damaged: ${error.message}`, error.remedy);
    throw error;
  }
}

async function findRoot(
  found: readonly FoundPartition[],
  wanted: RootDevice | undefined,
  name: string,
): Promise<{ root: Partition; ext4: Ext4Info }> {
  const namedDirectly = found.find(({ partition }) => wanted && isNamedByTable(wanted, partition));
  if (namedDirectly && namedDirectly.contents?.kind !== 'ext4') {
    const what = namedDirectly.contents?.description ?? 'nothing that is known';
    throw notAnOsImage(name, `its root partition (${namedDirectly.partition.number}, as cmdline.txt says) holds ${what}, not ext4`);
  }
  const ext4s: { root: Partition; ext4: Ext4Info }[] = [];
  for (const candidate of found) {
    if (candidate.contents?.kind !== 'ext4') continue;
    const { info } = await damagedIsRefused(candidate, name, () => openExt4(candidate.reader));
    ext4s.push({ root: candidate.partition, ext4: info });
  }
  const chosen =
    ext4s.find(({ root }) => root === namedDirectly?.partition) ??
    ext4s.find(({ ext4 }) => wanted && isNamedByFileSystem(wanted, ext4)) ??
    ext4s.toSorted((a, b) => b.root.sizeBytes - a.root.sizeBytes)[0];
  if (!chosen) throw notAnOsImage(name, `it has no ext4 root partition; ${inventory(found)}`);
  return chosen;
}

function isNamedByTable({ by, value }: RootDevice, { number, id, name }: Partition): boolean {
  if (by === 'PARTUUID') return id?.toLowerCase() === value.toLowerCase();
  return by === 'PARTLABEL' ? name === value : by === 'number' && String(number) === value;
}

function isNamedByFileSystem({ by, value }: RootDevice, { uuid, label }: Ext4Info): boolean {
  return by === 'UUID' ? uuid.toLowerCase() === value.toLowerCase() : by === 'LABEL' && label === value;
}

/** `partition 1: a FAT file system, partition 2: unknown`. */
function inventory(found: readonly FoundPartition[]): string {
  return found.map(({ partition, contents }) => `partition ${partition.number}: ${contents?.description ?? 'unknown'}`).join(', ');
}
