import { corrupt } from '../ext4-error.ts';
import { readBlock, type Volume } from '../volume.ts';
import { readExtents } from './extents.ts';
import { readIndirectBlocks } from './indirect-blocks.ts';
import { hasFlag, InodeFlag, type Inode } from './inode.ts';

/** Consecutive blocks of a file; those that are in no run are holes. Counts in blocks. */
export interface BlockRun {
  /** Position in the file. */
  readonly logical: number;
  /** Position in the file system. */
  readonly physical: number;
  readonly count: number;
  /** Allocated but never written: reads as zeros. */
  readonly uninitialised?: true;
}

/** The blocks of a file, directory or long symlink, ascending. @throws ShipError E_EXT4 when they lie out of the file system */
export async function* blockRuns(volume: Volume, inode: Inode): AsyncGenerator<BlockRun> {
  const { firstDataBlock, blocks } = volume.superblock;
  for await (const run of hasFlag(inode, InodeFlag.extents) ? readExtents(volume, inode) : readIndirectBlocks(volume, inode)) {
    if (run.physical < firstDataBlock || run.physical + run.count > blocks) {
      throw corrupt(`blocks ${run.physical} to ${run.physical + run.count - 1} of ${blocks} are mapped`, { inode: inode.number });
    }
    yield run;
  }
}

export interface FileBlock {
  /** The shared buffer of the metadata cache. */
  readonly content: Buffer;
  readonly offset: number;
}

/** The blocks one by one, of what must have no holes: directories. */
export async function* eachBlock(volume: Volume, inode: Inode): AsyncGenerator<FileBlock> {
  const { blockBytes } = volume.superblock;
  const expected = Math.ceil(inode.sizeBytes / blockBytes);
  let next = 0;
  for await (const { logical, physical, count, uninitialised } of blockRuns(volume, inode)) {
    if (next >= expected) return;
    if (logical !== next || uninitialised) throw hole(inode, next);
    for (let index = 0; index < count && next < expected; index++, next++) {
      const content = await readBlock(volume, physical + index, { inode: inode.number });
      yield { content, offset: (physical + index) * blockBytes };
    }
  }
  if (next < expected) throw hole(inode, next);
}

function hole({ number, type }: Inode, block: number): Error {
  return corrupt(`block ${block} of a ${type} is missing`, { inode: number });
}
