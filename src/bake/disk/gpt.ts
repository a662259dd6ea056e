import { crc32 } from 'node:zlib';
import type { ByteRange } from './byte-ranges.ts';
import type { DiskReader } from './disk-file.ts';
import { sectorBytes } from './mbr.ts';

/** UEFI specification, 5.3.2 and 5.3.3: header (one sector) and entries as they lie on the disk. */
export interface RawGpt {
  readonly header: Buffer;
  readonly entries: Buffer;
}

export interface GptHeader {
  readonly headerBytes: number;
  readonly headerSector: number;
  readonly alternateSector: number;
  readonly firstUsableSector: number;
  readonly lastUsableSector: number;
  /** Lower case. */
  readonly diskId: string;
  readonly entriesSector: number;
  readonly entryCount: number;
  readonly entryBytes: number;
}

export interface GptEntry {
  /** From 0. */
  readonly index: number;
  /** Upper case. */
  readonly type: string;
  /** Lower case. */
  readonly id: string;
  readonly startSector: number;
  readonly endSector: number;
  readonly name: string;
}

const signature = 'EFI PART';
/** More than any tool writes (128); keeps a damaged header from asking for gigabytes. */
const mostEntryBytes = 1024 * 1024;
const noType = '00000000-0000-0000-0000-000000000000';

/** The primary table, or the backup at the end of the disk where the primary is damaged; undefined where both are. */
export async function readRawGpt(disk: DiskReader): Promise<RawGpt | undefined> {
  return (await readAt(disk, 1)) ?? (await readAt(disk, Math.floor(disk.sizeBytes / sectorBytes) - 1));
}

async function readAt(disk: DiskReader, sector: number): Promise<RawGpt | undefined> {
  if (sector < 1 || (sector + 1) * sectorBytes > disk.sizeBytes) return undefined;
  const header = await disk.read(sector * sectorBytes, sectorBytes);
  if (header.toString('latin1', 0, 8) !== signature) return undefined;
  const headerBytes = header.readUInt32LE(12);
  if (headerBytes < 92 || headerBytes > sectorBytes || headerCrc(header) !== header.readUInt32LE(16)) return undefined;
  const { headerSector, entriesSector, entryCount, entryBytes } = gptHeader(header);
  const size = entryCount * entryBytes;
  if (headerSector !== sector || entryBytes < 128 || size > mostEntryBytes) return undefined;
  if (entriesSector * sectorBytes + size > disk.sizeBytes) return undefined;
  const entries = await disk.read(entriesSector * sectorBytes, size);
  return crc32(entries) === header.readUInt32LE(88) ? { header, entries } : undefined;
}

function headerCrc(header: Buffer): number {
  const copy = Buffer.from(header.subarray(0, header.readUInt32LE(12)));
  copy.writeUInt32LE(0, 16);
  return crc32(copy);
}

export function gptHeader(header: Buffer): GptHeader {
  return {
    headerBytes: header.readUInt32LE(12),
    headerSector: sectorAt(header, 24),
    alternateSector: sectorAt(header, 32),
    firstUsableSector: sectorAt(header, 40),
    lastUsableSector: sectorAt(header, 48),
    diskId: guid(header, 56),
    entriesSector: sectorAt(header, 72),
    entryCount: header.readUInt32LE(80),
    entryBytes: header.readUInt32LE(84),
  };
}

/** The entries in use, in the order of the table. */
export function gptEntries({ header, entries }: RawGpt): GptEntry[] {
  const { entryBytes, entryCount } = gptHeader(header);
  return Array.from({ length: entryCount }, (_, index) => {
    const offset = index * entryBytes;
    return {
      index,
      type: guid(entries, offset).toUpperCase(),
      id: guid(entries, offset + 16),
      startSector: sectorAt(entries, offset + 32),
      endSector: sectorAt(entries, offset + 40),
      name: entries.toString('utf16le', offset + 56, offset + 128).replace(/\0.*$/s, ''),
    };
  }).filter(({ type }) => type !== noType);
}

/** Where both copies lie, headers and entries. */
export function gptRanges({ header, entries }: RawGpt): ByteRange[] {
  const { headerSector, alternateSector, entriesSector } = gptHeader(header);
  const sizeBytes = Math.ceil(entries.length / sectorBytes) * sectorBytes;
  const backupSector = Math.max(headerSector, alternateSector);
  const primaryEntriesSector = headerSector === 1 ? entriesSector : 2;
  return [
    { startBytes: sectorBytes, sizeBytes: sectorBytes },
    { startBytes: primaryEntriesSector * sectorBytes, sizeBytes },
    { startBytes: backupSector * sectorBytes - sizeBytes, sizeBytes: sizeBytes + sectorBytes },
  ];
}

/** The same header for another place, with the CRCs of `entries` and of itself. */
export function renewedHeader(
  header: Buffer,
  entries: Buffer,
  places: { headerSector: number; alternateSector: number; entriesSector: number; lastUsableSector: number },
): Buffer {
  const copy = Buffer.from(header);
  copy.writeBigUInt64LE(BigInt(places.headerSector), 24);
  copy.writeBigUInt64LE(BigInt(places.alternateSector), 32);
  copy.writeBigUInt64LE(BigInt(places.lastUsableSector), 48);
  copy.writeBigUInt64LE(BigInt(places.entriesSector), 72);
  copy.writeUInt32LE(crc32(entries), 88);
  copy.writeUInt32LE(headerCrc(copy), 16);
  return copy;
}

/** A copy of the entries with the end of one replaced. */
export function withEndSector(entries: Buffer, entryBytes: number, index: number, endSector: number): Buffer {
  const copy = Buffer.from(entries);
  copy.writeBigUInt64LE(BigInt(endSector), index * entryBytes + 40);
  return copy;
}

function sectorAt(buffer: Buffer, offset: number): number {
  return Number(buffer.readBigUInt64LE(offset));
}

/** The first three groups of a GUID are little-endian on the disk. */
function guid(buffer: Buffer, offset: number): string {
  const bytes = Buffer.from(buffer.subarray(offset, offset + 16));
  bytes.subarray(0, 4).swap32();
  bytes.subarray(4, 6).swap16();
  bytes.subarray(6, 8).swap16();
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
