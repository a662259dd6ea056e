import { gptEntries, gptHeader, renewedHeader, withEndSector, type RawGpt } from './gpt.ts';
import { badTable, extendedTypes, makeMbr, mbrEntries, protectiveType, sectorBytes, withEntrySize } from './mbr.ts';
import { parsePartitionTable, type Partition, type RawPartitionTable } from './partition-table.ts';

/** Bytes to be written at a place of an image. */
export interface DiskPatch {
  readonly offset: number;
  readonly bytes: Buffer;
}

/**
 * What to write so that `table` fits an image of `imageSizeBytes` whose last partition (the one that begins last) has
 * `partitionSizeBytes`. Ids, names, flags, boot code and all other partitions stay as they are. A GPT gets both copies,
 * and its protective MBR; the backup moves to the new end.
 * @throws ShipError E_PARTITION_TABLE when it does not fit, or the last partition is a logical one
 */
export function resizeLastPartition(
  table: RawPartitionTable,
  { imageSizeBytes, partitionSizeBytes }: { imageSizeBytes: number; partitionSizeBytes: number },
): readonly DiskPatch[] {
  const last = lastPartition(table);
  const imageSectors = wholeSectors(imageSizeBytes, 'the image');
  const sectors = wholeSectors(partitionSizeBytes, `partition ${last.number}`);
  const startSector = last.startBytes / sectorBytes;
  if (table.gpt) return resizeGpt(table.bootRecord, table.gpt, { imageSectors, startSector, sectors, number: last.number });
  if (startSector + sectors > imageSectors) throw tooSmall(last, partitionSizeBytes, imageSizeBytes);
  if (last.number > 4 || mbrEntries(table.bootRecord).some(({ type, ...entry }) => extendedTypes.has(type) && entry.startSector > startSector)) {
    throw badTable('the last partition is an extended one', 'Use an image whose root partition is the last, and primary.');
  }
  return [{ offset: 0, bytes: withEntrySize(table.bootRecord, last.number - 1, sectors) }];
}

function resizeGpt(
  bootRecord: Buffer,
  gpt: RawGpt,
  { imageSectors, startSector, sectors, number }: { imageSectors: number; startSector: number; sectors: number; number: number },
): DiskPatch[] {
  const old = gptHeader(gpt.header);
  const entrySectors = Math.ceil(gpt.entries.length / sectorBytes);
  const primaryEntriesSector = old.headerSector === 1 ? old.entriesSector : 2;
  const backupSector = imageSectors - 1;
  const backupEntriesSector = backupSector - entrySectors;
  const lastUsableSector = backupEntriesSector - 1;
  const endSector = startSector + sectors - 1;
  if (endSector > lastUsableSector) {
    throw tooSmall({ number, startBytes: startSector * sectorBytes }, sectors * sectorBytes, imageSectors * sectorBytes);
  }
  const entries = withEndSector(gpt.entries, old.entryBytes, number - 1, endSector);
  const primary = { headerSector: 1, alternateSector: backupSector, entriesSector: primaryEntriesSector, lastUsableSector };
  const backup = { headerSector: backupSector, alternateSector: 1, entriesSector: backupEntriesSector, lastUsableSector };
  return [
    { offset: 0, bytes: resizeProtective(bootRecord, { imageSectors, startSector, sectors }) },
    { offset: sectorBytes, bytes: renewedHeader(gpt.header, entries, primary) },
    { offset: primaryEntriesSector * sectorBytes, bytes: entries },
    { offset: backupEntriesSector * sectorBytes, bytes: entries },
    { offset: backupSector * sectorBytes, bytes: renewedHeader(gpt.header, entries, backup) },
  ];
}

/**
 * The protective entry covers the disk. In a hybrid MBR, which a Pi's firmware reads, it covers only what lies before the
 * first of the other entries, and stays; the partition's own entry there, if any, follows it.
 */
function resizeProtective(
  bootRecord: Buffer,
  { imageSectors, startSector, sectors }: { imageSectors: number; startSector: number; sectors: number },
): Buffer {
  const entries = mbrEntries(bootRecord);
  const hybrid = entries.some(({ type }) => type !== protectiveType);
  return entries.reduce((record, entry) => {
    if (entry.type === protectiveType) {
      return hybrid ? record : withEntrySize(record, entry.slot, Math.min(imageSectors - 1, 0xffff_ffff));
    }
    return entry.startSector === startSector ? withEntrySize(record, entry.slot, sectors) : record;
  }, bootRecord);
}

/**
 * A first sector without boot code. `diskId`: 8 hex digits. Partitions are numbered in their order.
 * @throws ShipError E_PARTITION_TABLE for overlaps, more than four, or places that are not whole sectors
 */
export function newMbr({
  diskId,
  partitions,
}: {
  diskId: string;
  partitions: readonly Pick<Partition, 'type' | 'startBytes' | 'sizeBytes'>[];
}): Buffer {
  if (!/^[0-9a-f]{8}$/i.test(diskId)) throw badTable(`'${diskId}' is not a disk id of 8 hex digits`, 'Give 8 hex digits.');
  if (partitions.length > 4) throw badTable(`an MBR holds 4 partitions, not ${partitions.length}`, 'Use fewer.');
  let usedSectors = 1;
  const entries = partitions.map(({ type, startBytes, sizeBytes }, slot) => {
    const startSector = wholeSectors(startBytes, `the start of partition ${slot + 1}`);
    const sectors = wholeSectors(sizeBytes, `partition ${slot + 1}`);
    if (startSector < usedSectors) throw badTable(`partition ${slot + 1} begins inside what lies before it`, 'Move it.');
    usedSectors = startSector + sectors;
    return { slot, type, startSector, sectors };
  });
  return makeMbr(diskId, entries);
}

function lastPartition(table: RawPartitionTable): Pick<Partition, 'number' | 'startBytes'> {
  const numbered = table.gpt
    ? gptEntries(table.gpt).map(({ index, startSector }) => ({ number: index + 1, startBytes: startSector * sectorBytes }))
    : parsePartitionTable(table).partitions;
  const [last] = numbered.toSorted((a, b) => b.startBytes - a.startBytes);
  if (!last) throw badTable('there are no partitions in its table');
  return last;
}

function wholeSectors(sizeBytes: number, what: string): number {
  if (Number.isInteger(sizeBytes / sectorBytes) && sizeBytes > 0) return sizeBytes / sectorBytes;
  throw badTable(`${sizeBytes} bytes of ${what} are not whole sectors`, `Use a multiple of ${sectorBytes}.`);
}

function tooSmall({ number, startBytes }: Pick<Partition, 'number' | 'startBytes'>, sizeBytes: number, imageSizeBytes: number) {
  return badTable(
    `partition ${number} of ${sizeBytes} bytes from ${startBytes} on does not fit into an image of ${imageSizeBytes} bytes`,
    'Make the image larger.',
  );
}
