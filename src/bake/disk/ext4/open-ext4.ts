import type { Readable } from 'node:stream';
import { ExitStatus, ShipError } from '../../../errors.ts';
import { mergeRanges, type ByteRange } from '../byte-ranges.ts';
import type { DiskReader } from '../disk-file.ts';

export interface Ext4Info {
  readonly uuid: string;
  readonly label: string;
  readonly blockBytes: number;
  readonly blocks: number;
  readonly inodeBytes: number;
  readonly inodes: number;
  /** As e2fsprogs calls them. */
  readonly features: readonly string[];
  readonly reservedBlocks: number;
  readonly journalBlocks: number;
  readonly hashSeed: string;
  readonly freeBlocks: number;
}

export interface TreeEntry {
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'hardlink' | 'character' | 'block' | 'fifo' | 'socket';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly sizeBytes: number;
  readonly linkTarget?: string;
  readonly deviceMajor?: number;
  readonly deviceMinor?: number;
  readonly xattrs: ReadonlyMap<string, Buffer>;
  content(): Readable;
}

export interface Ext4 {
  readonly info: Ext4Info;
  usedRanges(): Promise<readonly ByteRange[]>;
}

const incompatible: Record<number, string> = { 0x2: 'filetype', 0x40: 'extent', 0x80: '64bit', 0x200: 'flex_bg' };
const compatible: Record<number, string> = { 0x4: 'has_journal', 0x10: 'resize_inode', 0x20: 'dir_index', 0x200: 'sparse_super2' };
const readOnlyCompatible: Record<number, string> = { 0x1: 'sparse_super', 0x10: 'uninit_bg', 0x200: 'bigalloc', 0x400: 'metadata_csum' };

/** Stand-in until the reader of whole trees is there: the superblock, and which blocks are in use. */
export async function openExt4(partition: DiskReader): Promise<Ext4> {
  const sb = partition.sizeBytes >= 2048 ? await partition.read(1024, 1024) : Buffer.alloc(1024);
  if (sb.readUInt16LE(56) !== 0xef53) {
    throw new ShipError({ code: 'E_EXT4', message: 'there is no ext4 file system', exitStatus: ExitStatus.usage });
  }
  const named = (names: Record<number, string>, offset: number) =>
    Object.entries(names).flatMap(([bit, name]) => (sb.readUInt32LE(offset) & Number(bit) ? [name] : []));
  const features = [...named(compatible, 92), ...named(incompatible, 96), ...named(readOnlyCompatible, 100)];
  const wide = features.includes('64bit');
  const number = (low: number, high: number) => sb.readUInt32LE(low) + (wide ? sb.readUInt32LE(high) * 2 ** 32 : 0);
  const uuid = (offset: number) =>
    sb.toString('hex', offset, offset + 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  const info: Ext4Info = {
    uuid: uuid(104),
    label: sb.toString('utf8', 120, 136).replace(/\0.*$/s, ''),
    blockBytes: 1024 << sb.readUInt32LE(24),
    blocks: number(4, 336),
    inodeBytes: sb.readUInt16LE(88),
    inodes: sb.readUInt32LE(0),
    features,
    reservedBlocks: number(8, 340),
    journalBlocks: 0,
    hashSeed: uuid(236),
    freeBlocks: number(12, 344),
  };
  return { info, usedRanges: () => usedRanges(partition, sb, info) };
}

async function usedRanges(partition: DiskReader, sb: Buffer, { blockBytes, blocks, inodeBytes, features }: Ext4Info): Promise<ByteRange[]> {
  const firstBlock = sb.readUInt32LE(20);
  const perGroup = sb.readUInt32LE(32);
  const inodesPerGroup = sb.readUInt32LE(40);
  const descriptorBytes = features.includes('64bit') ? sb.readUInt16LE(254) : 32;
  const groups = Math.ceil((blocks - firstBlock) / perGroup);
  const descriptors = await partition.read((firstBlock + 1) * blockBytes, groups * descriptorBytes);
  const descriptorBlocks = Math.ceil((groups * descriptorBytes) / blockBytes) + sb.readUInt16LE(206);
  const powers = [3, 5, 7].flatMap((base) => [1, 2, 3, 4, 5, 6, 7].map((power) => base ** power));
  const used = new Set<number>();
  const unused = new Set<number>();
  const checked = features.includes('metadata_csum') || features.includes('uninit_bg');
  for (let group = 0; group < groups; group += 1) {
    const at = group * descriptorBytes;
    const place = (low: number, high: number) =>
      descriptors.readUInt32LE(at + low) + (descriptorBytes >= 64 ? descriptors.readUInt32LE(at + high) * 2 ** 32 : 0);
    const flags = checked ? descriptors.readUInt16LE(at + 18) : 0;
    const start = firstBlock + group * perGroup;
    if (group <= 1 || powers.includes(group)) for (let b = 0; b <= descriptorBlocks; b += 1) used.add(start + b);
    if ((flags & 2) === 0) {
      const bitmap = await partition.read(place(0, 32) * blockBytes, blockBytes);
      for (let bit = 0; bit < Math.min(perGroup, blocks - start); bit += 1) {
        if ((bitmap.readUInt8(bit >> 3) >> (bit & 7)) & 1) used.add(start + bit);
      }
      used.add(place(0, 32));
    }
    if ((flags & 1) === 0) used.add(place(4, 36));
    const unusedInodes = flags & 1 ? inodesPerGroup : checked ? descriptors.readUInt16LE(at + 28) : 0;
    const table = place(8, 40);
    const inodeBlocks = Math.ceil((inodesPerGroup * inodeBytes) / blockBytes);
    const neededBlocks = Math.ceil(((inodesPerGroup - unusedInodes) * inodeBytes) / blockBytes);
    for (let b = 0; b < inodeBlocks; b += 1) (b < neededBlocks ? used : unused).add(table + b);
  }
  const needed = [...used].filter((block) => !unused.has(block));
  return mergeRanges(needed.map((block) => ({ startBytes: block * blockBytes, sizeBytes: blockBytes })), blockBytes, partition.sizeBytes);
}
