import type { DiskReader } from '../disk-file.ts';
import { corrupt, type Ext4Place } from './ext4-error.ts';
import { readGroupDescriptors, type GroupDescriptor } from './group-descriptors.ts';
import { readSuperblock, type Superblock } from './superblock.ts';

/** An opened file system: its geometry and its bytes. */
export interface Volume {
  readonly superblock: Superblock;
  readonly groups: readonly GroupDescriptor[];
  /** Bytes that are read once in a while: file content. */
  readonly readData: (offset: number, length: number) => Promise<Buffer>;
  /** Small pieces that lie close together: inodes, directories, block maps. The buffer is shared: copy what is kept. */
  readonly readMetadata: (offset: number, length: number) => Promise<Buffer>;
}

/** Reading ahead pays twice: inode tables and directories are read in order, and small files lie one behind the other. */
const chunkBytes = 256 * 1024;
const chunks = 64;

/** @throws ShipError E_EXT4 */
export async function openVolume(partition: DiskReader): Promise<Volume> {
  const superblock = await readSuperblock(partition);
  const groups = await readGroupDescriptors(partition, superblock);
  return {
    superblock,
    groups,
    readData: (offset, length) => partition.read(offset, length),
    readMetadata: cached(partition, superblock.blocks * superblock.blockBytes),
  };
}

/** One whole block of metadata. @throws ShipError E_EXT4 when the number is none of this file system */
export function readBlock({ superblock, readMetadata }: Volume, block: number, place: Ext4Place): Promise<Buffer> {
  if (block < superblock.firstDataBlock || block >= superblock.blocks) {
    return Promise.reject(corrupt(`there is no block ${block}, it has ${superblock.blocks}`, place));
  }
  return readMetadata(block * superblock.blockBytes, superblock.blockBytes);
}

function cached(partition: DiskReader, sizeBytes: number): Volume['readMetadata'] {
  /** In order of last use. */
  const kept = new Map<number, Promise<Buffer>>();
  const chunk = (number: number): Promise<Buffer> => {
    const start = number * chunkBytes;
    const found = kept.get(number) ?? partition.read(start, Math.min(chunkBytes, sizeBytes - start));
    kept.delete(number);
    kept.set(number, found);
    const [oldest] = kept.keys();
    if (kept.size > chunks && oldest !== undefined) kept.delete(oldest);
    return found;
  };
  return async (offset, length) => {
    if (offset + length > sizeBytes) throw corrupt('it needs bytes past its end', { offset });
    const first = Math.floor(offset / chunkBytes);
    const last = Math.floor((offset + length - 1) / chunkBytes);
    const inFirst = offset - first * chunkBytes;
    if (last <= first) return (await chunk(first)).subarray(inFirst, inFirst + length);
    const parts: Buffer[] = [];
    for (let number = first; number <= last; number++) parts.push(await chunk(number));
    return Buffer.concat(parts).subarray(inFirst, inFirst + length);
  };
}
