import type { DiskReader } from '../disk-file.ts';
import { crc16, crc32c, le32 } from './crc.ts';
import { corrupt } from './ext4-error.ts';
import type { Superblock } from './superblock.ts';

/** A block group (kernel, Documentation/filesystems/ext4/group_descr.rst). */
export interface GroupDescriptor {
  readonly blockBitmap: number;
  readonly inodeBitmap: number;
  readonly inodeTable: number;
  readonly freeClusters: number;
  /** Inodes at the end of the table that were never used. */
  readonly unusedInodes: number;
  readonly blockBitmapUninitialised: boolean;
  readonly inodesUninitialised: boolean;
  /** The whole inode table was written, be it with zeros; nobody will do that again. */
  readonly inodeTableZeroed: boolean;
  /** The lower 16 bits, and the upper ones where descriptors have 64 bytes. */
  readonly blockBitmapChecksum: { readonly low: number; readonly high?: number };
}

const flag = { inodesUninitialised: 1, blockBitmapUninitialised: 2, inodeTableZeroed: 4 };

/** @throws ShipError E_EXT4 when one has a wrong checksum or points out of the file system */
export async function readGroupDescriptors(partition: DiskReader, superblock: Superblock): Promise<GroupDescriptor[]> {
  const { blockBytes, descriptorBytes, groups } = superblock;
  const perBlock = blockBytes / descriptorBytes;
  const descriptors: GroupDescriptor[] = [];
  for (let index = 0; index * perBlock < groups; index++) {
    const offset = descriptorBlock(superblock, index) * blockBytes;
    if (offset + blockBytes > partition.sizeBytes) throw corrupt(`the group descriptors reach past its end`, { offset });
    const block = await partition.read(offset, blockBytes);
    for (let at = 0; at < perBlock && descriptors.length < groups; at++) {
      const raw = block.subarray(at * descriptorBytes, (at + 1) * descriptorBytes);
      descriptors.push(parse(superblock, descriptors.length, raw, offset + at * descriptorBytes));
    }
  }
  return descriptors;
}

/** Contiguous behind the superblock, or with meta_bg at the start of the first group that they describe. */
function descriptorBlock(superblock: Superblock, index: number): number {
  const behindSuperblock = (superblock.blockBytes === 1024 ? 1 : 0) + 1 + index;
  if (!superblock.has('meta_bg') || index < superblock.firstMetaGroup) return behindSuperblock;
  const group = index * (superblock.blockBytes / superblock.descriptorBytes);
  if (group === 0) return behindSuperblock;
  return firstBlockOf(superblock, group) + (hasSuperblock(superblock, group) ? 1 : 0);
}

export function firstBlockOf(superblock: Superblock, group: number): number {
  return superblock.firstDataBlock + group * superblock.blocksPerGroup;
}

/** Whether a group starts with a copy of the superblock. */
export function hasSuperblock(superblock: Superblock, group: number): boolean {
  if (group === 0) return true;
  if (superblock.has('sparse_super2')) return superblock.backupGroups.includes(group);
  if (group === 1 || !superblock.has('sparse_super')) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}

function parse(superblock: Superblock, group: number, raw: Buffer, offset: number): GroupDescriptor {
  verify(superblock, group, raw, offset);
  const wide = raw.length >= 64;
  const u32 = (low: number, high: number): number => raw.readUInt32LE(low) + (wide ? raw.readUInt32LE(high) * 2 ** 32 : 0);
  const u16 = (low: number, high: number): number => raw.readUInt16LE(low) + (wide ? raw.readUInt16LE(high) * 2 ** 16 : 0);
  const flags = superblock.has('uninit_bg') || superblock.has('metadata_csum') ? raw.readUInt16LE(0x12) : flag.inodeTableZeroed;
  const descriptor: GroupDescriptor = {
    blockBitmap: u32(0x00, 0x20),
    inodeBitmap: u32(0x04, 0x24),
    inodeTable: u32(0x08, 0x28),
    freeClusters: u16(0x0c, 0x2c),
    unusedInodes: u16(0x1c, 0x32),
    inodesUninitialised: (flags & flag.inodesUninitialised) !== 0,
    blockBitmapUninitialised: (flags & flag.blockBitmapUninitialised) !== 0,
    inodeTableZeroed: (flags & flag.inodeTableZeroed) !== 0,
    blockBitmapChecksum: { low: raw.readUInt16LE(0x18), ...(wide ? { high: raw.readUInt16LE(0x38) } : {}) },
  };
  const places: [string, number, number][] = [
    ['block bitmap', descriptor.blockBitmap, 1],
    ['inode bitmap', descriptor.inodeBitmap, 1],
    ['inode table', descriptor.inodeTable, inodeTableBlocks(superblock)],
  ];
  for (const [name, block, count] of places) {
    if (block < superblock.firstDataBlock || block + count > superblock.blocks) {
      throw corrupt(`the ${name} of group ${group} is at block ${block} of ${superblock.blocks}`, { offset });
    }
  }
  return descriptor;
}

export function inodeTableBlocks({ inodesPerGroup, inodeBytes, blockBytes }: Superblock): number {
  return Math.ceil((inodesPerGroup * inodeBytes) / blockBytes);
}

function verify(superblock: Superblock, group: number, raw: Buffer, offset: number): void {
  const stored = raw.readUInt16LE(0x1e);
  let computed: number;
  if (superblock.checksumSeed !== undefined) {
    const blanked = Buffer.from(raw);
    blanked.writeUInt16LE(0, 0x1e);
    computed = crc32c(crc32c(superblock.checksumSeed, le32(group)), blanked) & 0xffff;
  } else if (superblock.has('uninit_bg')) {
    const start = crc16(crc16(0xffff, superblock.uuidBytes), le32(group));
    computed = crc16(crc16(start, raw.subarray(0, 0x1e)), raw.subarray(0x20));
  } else {
    return;
  }
  if (computed !== stored) throw corrupt(`the checksum of the descriptor of group ${group} does not match`, { offset });
}
