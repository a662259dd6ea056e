import { crc32c, le32 } from '../crc.ts';
import { corrupt } from '../ext4-error.ts';
import type { Volume } from '../volume.ts';

export type InodeType = 'file' | 'directory' | 'symlink' | 'character' | 'block' | 'fifo' | 'socket';

/** What an inode says (kernel, Documentation/filesystems/ext4/inodes.rst). */
export interface Inode {
  readonly number: number;
  readonly type: InodeType;
  /** Permissions with setuid, setgid and sticky, without the type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly sizeBytes: number;
  /** Whole seconds since 1970, negative before. */
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly flags: number;
  /** The 60 bytes of the block map, the extent tree's root, a short symlink or inline data. */
  readonly blockArea: Buffer;
  /** Block of shared extended attributes; 0 without. */
  readonly xattrBlock: number;
  /** Behind the inode's fields, up to its end: where its own extended attributes are. */
  readonly xattrArea: Buffer;
  /** What checksums of its blocks start with; undefined without metadata_csum. */
  readonly checksumSeed: number | undefined;
}

export const rootInode = 2;
export const InodeFlag = { extents: 0x80000, eaInode: 0x200000, inlineData: 0x10000000 };

const types: Readonly<Record<number, InodeType>> = {
  0x1: 'fifo', 0x2: 'character', 0x4: 'directory', 0x6: 'block', 0x8: 'file', 0xa: 'symlink', 0xc: 'socket',
};

/** @throws ShipError E_EXT4 when it does not exist, is not in use, or has a wrong checksum */
export async function readInode(volume: Volume, number: number): Promise<Inode> {
  const { superblock, groups } = volume;
  const group = groups[Math.floor((number - 1) / superblock.inodesPerGroup)];
  if (number < 1 || number > superblock.inodes || !group) throw corrupt(`there are ${superblock.inodes} inodes only`, { inode: number });
  const offset = group.inodeTable * superblock.blockBytes + ((number - 1) % superblock.inodesPerGroup) * superblock.inodeBytes;
  const raw = Buffer.from(await volume.readMetadata(offset, superblock.inodeBytes));
  const mode = raw.readUInt16LE(0x00);
  const type = types[mode >>> 12];
  const links = raw.readUInt16LE(0x1a);
  if (!type || mode === 0) throw corrupt(`an inode in use has the mode ${mode.toString(8)}`, { inode: number, offset });

  const hasExtra = raw.length > 128;
  const extraBytes = hasExtra ? raw.readUInt16LE(0x80) : 0;
  if (extraBytes % 4 !== 0 || 128 + extraBytes > raw.length) throw corrupt(`${extraBytes} extra bytes`, { inode: number, offset });
  const checksumSeed = verify(volume, number, raw, offset, extraBytes);
  const wideSize = type === 'file' || (type === 'directory' && superblock.has('large_dir'));
  const mtimeExtra = extraBytes >= 12 ? raw.readUInt32LE(0x88) : 0;
  return {
    number,
    type,
    mode: mode & 0o7777,
    uid: raw.readUInt16LE(0x02) + raw.readUInt16LE(0x78) * 65536,
    gid: raw.readUInt16LE(0x18) + raw.readUInt16LE(0x7a) * 65536,
    links,
    sizeBytes: sizeOf(raw.readUInt32LE(0x04), wideSize ? raw.readUInt32LE(0x6c) : 0, number, offset),
    mtimeSeconds: raw.readInt32LE(0x10) + (mtimeExtra & 3) * 2 ** 32,
    mtimeNanoseconds: mtimeExtra >>> 2,
    flags: raw.readUInt32LE(0x20),
    blockArea: raw.subarray(0x28, 0x64),
    xattrBlock: raw.readUInt32LE(0x68) + (superblock.has('64bit') ? raw.readUInt16LE(0x76) * 2 ** 32 : 0),
    xattrArea: hasExtra ? raw.subarray(128 + extraBytes) : Buffer.alloc(0),
    checksumSeed,
  };
}

export function hasFlag({ flags }: Inode, flag: number): boolean {
  return (flags & flag) !== 0;
}

/** A device's numbers: 16 bits in the first word as Linux 2.4 wrote them, else 32 bits in the second. */
export function deviceNumbers({ blockArea }: Inode): { deviceMajor: number; deviceMinor: number } {
  const old = blockArea.readUInt32LE(0);
  if (old !== 0) return { deviceMajor: (old >>> 8) & 0xff, deviceMinor: old & 0xff };
  const device = blockArea.readUInt32LE(4);
  return { deviceMajor: (device >>> 8) & 0xfff, deviceMinor: (device & 0xff) | ((device >>> 12) & 0xfff00) };
}

function sizeOf(low: number, high: number, inode: number, offset: number): number {
  const sizeBytes = low + high * 2 ** 32;
  if (sizeBytes > Number.MAX_SAFE_INTEGER) throw corrupt(`a size of ${sizeBytes} bytes`, { inode, offset });
  return sizeBytes;
}

function verify({ superblock }: Volume, number: number, raw: Buffer, offset: number, extraBytes: number): number | undefined {
  if (superblock.checksumSeed === undefined) return undefined;
  const seed = crc32c(superblock.checksumSeed, le32(number, raw.readUInt32LE(0x64)));
  const hasHigh = extraBytes >= 4;
  const stored = raw.readUInt16LE(0x7c) + (hasHigh ? raw.readUInt16LE(0x82) * 65536 : 0);
  const blanked = Buffer.from(raw);
  blanked.writeUInt16LE(0, 0x7c);
  if (hasHigh) blanked.writeUInt16LE(0, 0x82);
  const computed = crc32c(seed, blanked);
  if ((hasHigh ? computed : computed & 0xffff) !== stored) throw corrupt('the checksum of an inode does not match', { inode: number, offset });
  return seed;
}
