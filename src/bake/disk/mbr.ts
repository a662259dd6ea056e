import { ExitStatus, ShipError } from '../../errors.ts';

/** Partition tables count in sectors of this size; cards and images have no other. */
export const sectorBytes = 512;

/** An entry of a master or extended boot record; all positions in sectors, relative to what the record says. */
export interface MbrEntry {
  /** 0-3. */
  readonly slot: number;
  /** Two lower-case hex digits. */
  readonly type: string;
  readonly startSector: number;
  readonly sectors: number;
}

/** Types of extended partitions: CHS, LBA, Linux. */
export const extendedTypes = new Set(['05', '0f', '85']);
/** A GPT hides behind an entry of this type. */
export const protectiveType = 'ee';

const signatureOffset = 0x1fe;
const diskIdOffset = 0x1b8;
const entriesOffset = 0x1be;
const entryBytes = 16;

/** True for a boot record; FAT boot sectors end in the same two bytes. */
export function hasBootSignature(sector: Buffer): boolean {
  return sector.length >= sectorBytes && sector.readUInt16LE(signatureOffset) === 0xaa55;
}

/** The disk signature as PARTUUIDs show it: 8 lower-case hex digits. */
export function mbrDiskId(sector: Buffer): string {
  return sector.readUInt32LE(diskIdOffset).toString(16).padStart(8, '0');
}

/** The entries in use. */
export function mbrEntries(sector: Buffer): MbrEntry[] {
  return [0, 1, 2, 3].flatMap((slot) => {
    const offset = entriesOffset + slot * entryBytes;
    const type = sector.toString('hex', offset + 4, offset + 5);
    const sectors = sector.readUInt32LE(offset + 12);
    return type === '00' || sectors === 0 ? [] : [{ slot, type, startSector: sector.readUInt32LE(offset + 8), sectors }];
  });
}

/** A copy of the record with the size of one entry, and where it ends in CHS terms, replaced; all else stays. */
export function withEntrySize(sector: Buffer, slot: number, sectors: number): Buffer {
  const copy = Buffer.from(sector);
  const offset = entriesOffset + slot * entryBytes;
  const startSector = copy.readUInt32LE(offset + 8);
  chs(startSector + sectors - 1).copy(copy, offset + 5);
  copy.writeUInt32LE(checked32(sectors, 'sectors of a partition'), offset + 12);
  return copy;
}

/** A record without boot code. */
export function makeMbr(diskId: string, entries: readonly MbrEntry[]): Buffer {
  const sector = Buffer.alloc(sectorBytes);
  sector.writeUInt32LE(Number.parseInt(diskId, 16), diskIdOffset);
  for (const { slot, type, startSector, sectors } of entries) {
    const offset = entriesOffset + slot * entryBytes;
    chs(startSector).copy(sector, offset + 1);
    sector.write(type, offset + 4, 'hex');
    chs(startSector + sectors - 1).copy(sector, offset + 5);
    sector.writeUInt32LE(checked32(startSector, 'first sector'), offset + 8);
    sector.writeUInt32LE(checked32(sectors, 'sectors of a partition'), offset + 12);
  }
  sector.writeUInt16LE(0xaa55, signatureOffset);
  return sector;
}

/** Cylinder, head, sector for 255 heads and 63 sectors; what lies beyond cylinder 1023 is fe ff ff, as the field does it. */
function chs(lba: number): Buffer {
  const cylinder = Math.floor(lba / (255 * 63));
  if (cylinder > 1023) return Buffer.from([0xfe, 0xff, 0xff]);
  const head = Math.floor(lba / 63) % 255;
  return Buffer.from([head, ((lba % 63) + 1) | ((cylinder >> 8) << 6), cylinder & 0xff]);
}

function checked32(value: number, what: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff) return value;
  throw badTable(`${value} does not fit into an MBR as ${what}`, 'An MBR ends at 2 TiB: make the image smaller.');
}

export function badTable(message: string, remedy = 'The image is damaged: fetch it again.'): ShipError {
  return new ShipError({ code: 'E_PARTITION_TABLE', message, remedy, exitStatus: ExitStatus.usage });
}
