import type { Readable } from 'node:stream';
import type { ByteRange } from '../byte-ranges.ts';
import type { DiskReader } from '../disk-file.ts';
import { readInode } from './inode/inode.ts';
import { resolvePath } from './resolve-path.ts';
import { usedRanges } from './used-ranges.ts';
import { openVolume, type Volume } from './volume.ts';
import { contentOf, walkTree, type TreeEntry } from './walk.ts';

export type { TreeEntry } from './walk.ts';

/** What another file system must be made with to be like this one. */
export interface Ext4Info {
  readonly uuid: string;
  readonly label: string;
  readonly blockBytes: number;
  readonly blocks: number;
  readonly inodeBytes: number;
  readonly inodes: number;
  /** e2fsprogs' names: `has_journal`, `extent`, `metadata_csum`, ... */
  readonly features: readonly string[];
  readonly reservedBlocks: number;
  /** 0 without a journal inside. */
  readonly journalBlocks: number;
  /** As a UUID, as mke2fs takes it. */
  readonly hashSeed: string;
  readonly freeBlocks: number;
}

export interface Ext4 {
  readonly info: Ext4Info;
  /** See walkTree: the root first, then depth first in the order of the names' bytes, without `lost+found`. */
  walk(): AsyncIterable<TreeEntry>;
  /** A file's bytes, symlinks followed; undefined when there is no file of that path. */
  readFile(path: string): Promise<Readable | undefined>;
  /** See usedRanges: what must be on a disk. */
  usedRanges(): Promise<ByteRange[]>;
}

/**
 * Reads an ext2, ext3 or ext4 file system from its bytes, without mounting it. Checksums are verified where it has them, and
 * nothing is believed that does not fit; damage that is met later is thrown later, by walk, content, readFile and usedRanges.
 * @throws ShipError E_EXT4 (exit status 2) when it is none, is damaged, was not unmounted, or has features that cannot be read
 */
export async function openExt4(partition: DiskReader): Promise<Ext4> {
  const volume = await openVolume(partition);
  const info = await describe(volume);
  return {
    info,
    walk: () => walkTree(volume),
    async readFile(path) {
      const inode = await resolvePath(volume, path);
      return inode?.type === 'file' ? contentOf(volume, inode) : undefined;
    },
    usedRanges: () => usedRanges(volume),
  };
}

async function describe(volume: Volume): Promise<Ext4Info> {
  const { uuid, label, blockBytes, blocks, inodeBytes, inodes, features, reservedBlocks, hashSeed, freeBlocks, journalInode } = volume.superblock;
  const hasJournal = volume.superblock.has('has_journal') && journalInode !== 0;
  const journalBlocks = hasJournal ? Math.ceil((await readInode(volume, journalInode)).sizeBytes / blockBytes) : 0;
  return { uuid, label, blockBytes, blocks, inodeBytes, inodes, features, reservedBlocks, journalBlocks, hashSeed, freeBlocks };
}
