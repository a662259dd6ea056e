import { crc32c } from '../crc.ts';
import { corrupt, type Ext4Place } from '../ext4-error.ts';
import { readBlock, type Volume } from '../volume.ts';
import type { BlockRun } from './block-runs.ts';
import type { Inode } from './inode.ts';

const magic = 0xf30a;
const headerBytes = 12;
const entryBytes = 12;
/** The deepest tree that 2^32 blocks can need. */
const mostLevels = 5;
/** Longer ones are uninitialised extents, of as many blocks as exceed it. */
const longestInitialised = 32768;

/** The leaves of an extent tree (kernel, Documentation/filesystems/ext4/ifork.rst). @throws ShipError E_EXT4 */
export async function* readExtents(volume: Volume, inode: Inode): AsyncGenerator<BlockRun> {
  const depth = inode.blockArea.readUInt16LE(6);
  if (depth > mostLevels) throw corrupt(`an extent tree of depth ${depth}`, { inode: inode.number });
  // That every block of the file is found once, ascending, also bounds the work on a tree that was tampered with.
  let nextLogical = 0;
  for await (const run of readNode(volume, inode, inode.blockArea, depth, { inode: inode.number })) {
    if (run.logical < nextLogical || run.count === 0) throw corrupt(`extents overlap at block ${run.logical}`, { inode: inode.number });
    nextLogical = run.logical + run.count;
    yield run;
  }
}

async function* readNode(volume: Volume, inode: Inode, node: Buffer, depth: number, place: Ext4Place): AsyncGenerator<BlockRun> {
  const entries = node.readUInt16LE(2);
  if (node.readUInt16LE(0) !== magic) throw corrupt('an extent tree has a node that is none', place);
  const isRoot = node === inode.blockArea;
  if (headerBytes + entries * entryBytes > node.length || (entries === 0 && !isRoot) || node.readUInt16LE(6) !== depth) {
    throw corrupt(`a node of an extent tree has ${entries} entries and depth ${node.readUInt16LE(6)}`, place);
  }
  if (depth === 0) {
    for (let at = headerBytes; at < headerBytes + entries * entryBytes; at += entryBytes) yield parseLeaf(node, at);
    return;
  }
  const children = Array.from({ length: entries }, (_, index) => {
    const at = headerBytes + index * entryBytes;
    return node.readUInt32LE(at + 4) + node.readUInt16LE(at + 8) * 2 ** 32;
  });
  for (const block of children) {
    const offset = block * volume.superblock.blockBytes;
    const child = await readBlock(volume, block, place);
    verify(inode, child, offset);
    yield* readNode(volume, inode, child, depth - 1, { inode: inode.number, offset });
  }
}

function parseLeaf(node: Buffer, at: number): BlockRun {
  const length = node.readUInt16LE(at + 4);
  const isUninitialised = length > longestInitialised;
  return {
    logical: node.readUInt32LE(at),
    physical: node.readUInt32LE(at + 8) + node.readUInt16LE(at + 6) * 2 ** 32,
    count: isUninitialised ? length - longestInitialised : length,
    ...(isUninitialised ? { uninitialised: true } : {}),
  };
}

function verify({ number, checksumSeed }: Inode, node: Buffer, offset: number): void {
  if (checksumSeed === undefined) return;
  const end = headerBytes + node.readUInt16LE(4) * entryBytes;
  if (end + 4 <= node.length && crc32c(checksumSeed, node.subarray(0, end)) === node.readUInt32LE(end)) return;
  throw corrupt('the checksum of a node of an extent tree does not match', { inode: number, offset });
}
