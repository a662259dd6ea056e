import type { DiskReader } from './disk-file.ts';
import { gptEntries, gptHeader, readRawGpt, type RawGpt } from './gpt.ts';
import { badTable, extendedTypes, hasBootSignature, mbrDiskId, mbrEntries, protectiveType, sectorBytes } from './mbr.ts';

export interface Partition {
  readonly number: number;
  /** MBR: two lower-case hex digits (`0c`); GPT: a GUID in upper case. */
  readonly type: string;
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** As Linux writes PARTUUID, lower case: GPT the partition's GUID; MBR `DISKID-0N`. */
  readonly id?: string;
  /** GPT only, where it is not empty. */
  readonly name?: string;
}

export interface PartitionTable {
  readonly kind: 'mbr' | 'gpt';
  /** 8 hex digits or a GUID, lower case. */
  readonly diskId: string;
  /** By number. An extended partition is not in it, its logical ones are. */
  readonly partitions: readonly Partition[];
}

/** The table's bytes, from which it can be written again with changes. */
export interface RawPartitionTable {
  /** The first sector: the MBR, for a GPT the protective or hybrid one. */
  readonly bootRecord: Buffer;
  readonly gpt?: RawGpt;
  /** Extended boot records in the order of their chain. */
  readonly extended: readonly { readonly sector: number; readonly bytes: Buffer }[];
}

/** Linux stops there, too (block/partitions/msdos.c). */
const mostLogicalPartitions = 100;

/**
 * Reads an MBR with its extended partitions, or a GPT. A GPT is believed only where the CRCs of header and entries are
 * right; the backup stands in for a damaged primary. A hybrid MBR counts as GPT, as for Linux.
 * @throws ShipError E_PARTITION_TABLE when there is none, or it is damaged
 */
export async function readPartitionTable(disk: DiskReader): Promise<PartitionTable> {
  return parsePartitionTable(await readRawPartitionTable(disk));
}

/** @throws ShipError E_PARTITION_TABLE */
export async function readRawPartitionTable(disk: DiskReader): Promise<RawPartitionTable> {
  if (disk.sizeBytes < sectorBytes) throw badTable(`there is no partition table in ${disk.sizeBytes} bytes`);
  const bootRecord = await disk.read(0, sectorBytes);
  if (!hasBootSignature(bootRecord)) throw badTable('there is no partition table');
  const entries = mbrEntries(bootRecord);
  if (!entries.some(({ type }) => type === protectiveType)) {
    const extended = entries.find(({ type }) => extendedTypes.has(type));
    return { bootRecord, extended: extended ? await readExtended(disk, extended.startSector) : [] };
  }
  const gpt = await readRawGpt(disk);
  if (gpt) return { bootRecord, gpt, extended: [] };
  const large = disk.sizeBytes > 4104 && (await disk.read(4096, 8)).toString('latin1') === 'EFI PART';
  if (large) throw badTable('its GPT counts in sectors of 4096 bytes', 'Use an image for cards: their sectors have 512 bytes.');
  throw badTable('both copies of its GPT are damaged or missing');
}

async function readExtended(disk: DiskReader, firstSector: number): Promise<RawPartitionTable['extended']> {
  const records: { sector: number; bytes: Buffer }[] = [];
  for (let next: number | undefined = firstSector; next !== undefined; ) {
    const sector: number = next;
    if ((sector + 1) * sectorBytes > disk.sizeBytes) throw badTable(`the extended boot record at sector ${sector} lies past the end`);
    const bytes = await disk.read(sector * sectorBytes, sectorBytes);
    if (!hasBootSignature(bytes)) throw badTable(`there is no extended boot record at sector ${sector}`);
    if (records.length === mostLogicalPartitions || records.some((record) => record.sector === sector)) {
      throw badTable('the chain of its extended boot records does not end');
    }
    records.push({ sector, bytes });
    const link = mbrEntries(bytes).find(({ type }) => extendedTypes.has(type));
    next = link && firstSector + link.startSector;
  }
  return records;
}

/** Pure counterpart of `readPartitionTable`. */
export function parsePartitionTable({ bootRecord, gpt, extended }: RawPartitionTable): PartitionTable {
  if (gpt) {
    const partitions = gptEntries(gpt).map(({ index, type, id, startSector, endSector, name }) => {
      if (endSector < startSector) throw badTable(`partition ${index + 1} ends before it begins`);
      const place = { startBytes: startSector * sectorBytes, sizeBytes: (endSector - startSector + 1) * sectorBytes };
      return { number: index + 1, type, ...place, id, ...(name ? { name } : {}) };
    });
    return { kind: 'gpt', diskId: gptHeader(gpt.header).diskId, partitions };
  }
  const diskId = mbrDiskId(bootRecord);
  const partition = (number: number, type: string, startSector: number, sectors: number): Partition => ({
    number,
    type,
    startBytes: startSector * sectorBytes,
    sizeBytes: sectors * sectorBytes,
    id: `${diskId}-${number.toString(16).padStart(2, '0')}`,
  });
  const primary = mbrEntries(bootRecord)
    .filter(({ type }) => !extendedTypes.has(type))
    .map(({ slot, type, startSector, sectors }) => partition(slot + 1, type, startSector, sectors));
  const logical = extended
    .flatMap(({ sector, bytes }) =>
      mbrEntries(bytes)
        .filter(({ type }) => !extendedTypes.has(type))
        .map((entry) => ({ ...entry, startSector: sector + entry.startSector })),
    )
    .map(({ type, startSector, sectors }, index) => partition(index + 5, type, startSector, sectors));
  return { kind: 'mbr', diskId, partitions: [...primary, ...logical] };
}
