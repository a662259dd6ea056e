import { ExitStatus, ShipError } from '../../../errors.ts';
import type { DiskReader } from '../disk-file.ts';

/** Where things lie in a FAT file system (Microsoft's FAT specification 1.03, "BIOS parameter block"); all in bytes. */
export interface FatGeometry {
  readonly type: 12 | 16 | 32;
  readonly volumeId: string;
  /** As the boot sector has it; the root directory's entry counts more. */
  readonly label: string;
  readonly sectorBytes: number;
  readonly clusterBytes: number;
  /** Data clusters; they are numbered from 2. */
  readonly clusters: number;
  /** Of the FAT in use. */
  readonly fatStartBytes: number;
  /** FAT12 and FAT16 only: the root directory's place; both 0 for FAT32. */
  readonly rootStartBytes: number;
  readonly rootBytes: number;
  /** FAT32 only: the root directory's first cluster. */
  readonly rootCluster: number;
  readonly dataStartBytes: number;
}

/** True where the first sector of `sector` describes a FAT file system. */
export function isFat(sector: Buffer): boolean {
  return sector.length >= 512 && parseBootSector(sector) !== undefined;
}

/** @throws ShipError E_FAT when there is no FAT file system, or it says things that cannot be */
export async function readGeometry(partition: DiskReader): Promise<FatGeometry> {
  const geometry = partition.sizeBytes >= 512 ? parseBootSector(await partition.read(0, 512)) : undefined;
  if (!geometry) throw badFat('there is no FAT file system');
  const end = geometry.dataStartBytes + geometry.clusters * geometry.clusterBytes;
  if (end > partition.sizeBytes) throw badFat(`the FAT file system needs ${end} bytes, its partition has ${partition.sizeBytes}`);
  return geometry;
}

function parseBootSector(sector: Buffer): FatGeometry | undefined {
  const sectorBytes = sector.readUInt16LE(11);
  const sectorsPerCluster = sector.readUInt8(13);
  const reservedSectors = sector.readUInt16LE(14);
  const fats = sector.readUInt8(16);
  const fatSectors16 = sector.readUInt16LE(22);
  const jump = sector.readUInt8(0);
  const plausible =
    sector.readUInt16LE(510) === 0xaa55 &&
    (jump === 0xeb || jump === 0xe9) &&
    [512, 1024, 2048, 4096].includes(sectorBytes) &&
    sectorsPerCluster > 0 &&
    (sectorsPerCluster & (sectorsPerCluster - 1)) === 0 &&
    reservedSectors > 0 &&
    fats > 0 &&
    sector.readUInt8(21) >= 0xf0;
  const fatSectors = fatSectors16 || sector.readUInt32LE(36);
  const totalSectors = sector.readUInt16LE(19) || sector.readUInt32LE(32);
  if (!plausible || fatSectors === 0 || totalSectors === 0) return undefined;

  const rootBytes = sector.readUInt16LE(17) * 32;
  const rootSectors = Math.ceil(rootBytes / sectorBytes);
  const dataSector = reservedSectors + fats * fatSectors + rootSectors;
  const clusters = Math.floor((totalSectors - dataSector) / sectorsPerCluster);
  // As Linux decides it: small FAT32 file systems, which mkfs.vfat makes, have fewer clusters than the specification says.
  const type = fatSectors16 === 0 ? 32 : clusters > 4084 ? 16 : 12;
  const extended = type === 32 ? 64 : 36;
  const fatEntries = Math.floor((fatSectors * sectorBytes * 8) / type);
  if (clusters < 1 || clusters + 2 > fatEntries) return undefined;
  // FAT32 may use one of its FATs only (flags at 40).
  const flags = type === 32 ? sector.readUInt16LE(40) : 0;
  const activeFat = flags & 0x80 ? flags & 0x0f : 0;
  return {
    type,
    volumeId: sector.readUInt32LE(extended + 3).toString(16).padStart(8, '0'),
    label: fatLabel(sector.subarray(extended + 7, extended + 18)),
    sectorBytes,
    clusterBytes: sectorsPerCluster * sectorBytes,
    clusters,
    fatStartBytes: (reservedSectors + activeFat * fatSectors) * sectorBytes,
    rootStartBytes: type === 32 ? 0 : (reservedSectors + fats * fatSectors) * sectorBytes,
    rootBytes: type === 32 ? 0 : rootBytes,
    rootCluster: type === 32 ? sector.readUInt32LE(44) : 0,
    dataStartBytes: dataSector * sectorBytes,
  };
}

/** Eleven bytes padded with blanks; tools write 'NO NAME' where there is none. */
export function fatLabel(bytes: Buffer): string {
  const label = bytes.toString('latin1').replace(/[\0 ]+$/, '');
  return label === 'NO NAME' ? '' : label;
}

export function badFat(message: string): ShipError {
  return new ShipError({
    code: 'E_FAT',
    message,
    remedy: 'The image is damaged: fetch it again.',
    exitStatus: ExitStatus.usage,
  });
}
