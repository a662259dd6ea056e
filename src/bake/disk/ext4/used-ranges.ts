import type { ByteRange } from '../byte-ranges.ts';
import { crc32c } from './crc.ts';
import { corrupt } from './ext4-error.ts';
import { firstBlockOf, hasSuperblock, inodeTableBlocks, type GroupDescriptor } from './group-descriptors.ts';
import type { Superblock } from './superblock.ts';
import { readBlock, type Volume } from './volume.ts';

/** In blocks; the end is the first one behind it. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * All bytes that must be on a disk, ascending and not touching: blocks in use by the bitmaps (journal included) and the boot
 * sector. Free blocks are left out, and of inode tables that mkfs left unwritten (uninit_bg, metadata_csum) the part that was
 * never used: the kernel writes it later. Where the descriptors say that a table was zeroed nobody does, so its zeros count.
 * @throws ShipError E_EXT4 when a bitmap contradicts its checksum or the count of free blocks
 */
export async function usedRanges(volume: Volume): Promise<ByteRange[]> {
  const { superblock, groups } = volume;
  const unwritten = groups.map((group) => unwrittenInodeTable(superblock, group)).filter(({ start, end }) => start < end);
  unwritten.sort((a, b) => a.start - b.start);
  const used: Span[] = superblock.firstDataBlock > 0 ? [{ start: 0, end: superblock.firstDataBlock }] : [];
  for (const [number, group] of groups.entries()) {
    const bitmap = group.blockBitmapUninitialised ? computeBitmap(superblock, groups, number) : await readBitmap(volume, number, group);
    used.push(...usedSpans(superblock, bitmap, number, group));
  }
  const { blockBytes } = superblock;
  return withoutSpans(joined(used), unwritten).map(({ start, end }) => ({ startBytes: start * blockBytes, sizeBytes: (end - start) * blockBytes }));
}

function unwrittenInodeTable(superblock: Superblock, group: GroupDescriptor): Span {
  const { inodesPerGroup, inodeBytes, blockBytes } = superblock;
  const end = group.inodeTable + inodeTableBlocks(superblock);
  if (group.inodeTableZeroed || group.unusedInodes > inodesPerGroup) return { start: end, end };
  const usedInodes = group.inodesUninitialised ? 0 : inodesPerGroup - group.unusedInodes;
  return { start: group.inodeTable + Math.ceil((usedInodes * inodeBytes) / blockBytes), end };
}

async function readBitmap(volume: Volume, number: number, group: GroupDescriptor): Promise<Buffer> {
  const { blocksPerGroup, clusterBlocks, checksumSeed, blockBytes } = volume.superblock;
  const block = await readBlock(volume, group.blockBitmap, {});
  const bitmap = Buffer.from(block.subarray(0, Math.ceil(blocksPerGroup / clusterBlocks / 8)));
  if (checksumSeed === undefined) return bitmap;
  const computed = crc32c(checksumSeed, bitmap);
  const { low, high } = group.blockBitmapChecksum;
  if ((computed & 0xffff) !== low || (high !== undefined && computed >>> 16 !== high)) {
    throw corrupt(`the checksum of the block bitmap of group ${number} does not match`, { offset: group.blockBitmap * blockBytes });
  }
  return bitmap;
}

/** What an uninitialised bitmap stands for: the group's own metadata and nothing else. */
function computeBitmap(superblock: Superblock, groups: readonly GroupDescriptor[], number: number): Buffer {
  const { blocksPerGroup, clusterBlocks } = superblock;
  const bitmap = Buffer.alloc(Math.ceil(blocksPerGroup / clusterBlocks / 8));
  const first = firstBlockOf(superblock, number);
  const mark = (start: number, count: number): void => {
    for (let block = Math.max(start, first); block < Math.min(start + count, first + blocksPerGroup); block++) {
      const cluster = Math.floor((block - first) / clusterBlocks);
      bitmap[cluster >>> 3] = (bitmap[cluster >>> 3] ?? 0) | (1 << (cluster & 7));
    }
  };
  mark(first, superblockAndDescriptors(superblock, number));
  const { blockBitmap, inodeBitmap, inodeTable } = groups[number] ?? { blockBitmap: 0, inodeBitmap: 0, inodeTable: 0 };
  mark(blockBitmap, 1);
  mark(inodeBitmap, 1);
  mark(inodeTable, inodeTableBlocks(superblock));
  return bitmap;
}

/** Blocks at the start of a group: a copy of the superblock, of the descriptors, and room for them to grow. */
function superblockAndDescriptors(superblock: Superblock, group: number): number {
  const { blockBytes, descriptorBytes, groups, reservedDescriptorBlocks, firstMetaGroup } = superblock;
  const copies = hasSuperblock(superblock, group) ? 1 : 0;
  const perBlock = blockBytes / descriptorBytes;
  const metaGroup = Math.floor(group / perBlock);
  if (superblock.has('meta_bg') && metaGroup >= firstMetaGroup) {
    return copies + ([0, 1, perBlock - 1].includes(group % perBlock) ? 1 : 0);
  }
  if (copies === 0) return 0;
  const all = Math.ceil(groups / perBlock);
  return copies + (superblock.has('meta_bg') ? Math.min(firstMetaGroup, all) : all + reservedDescriptorBlocks);
}

function usedSpans(superblock: Superblock, bitmap: Buffer, number: number, group: GroupDescriptor): Span[] {
  const { blocks, blocksPerGroup, clusterBlocks, blockBytes } = superblock;
  const first = firstBlockOf(superblock, number);
  const clusters = Math.ceil(Math.min(blocksPerGroup, blocks - first) / clusterBlocks);
  const spans: Span[] = [];
  let free = 0;
  for (let cluster = 0; cluster < clusters; ) {
    const isUsed = bitAt(bitmap, cluster);
    let end = cluster + 1;
    while (end < clusters && bitAt(bitmap, end) === isUsed) end++;
    if (isUsed) spans.push({ start: first + cluster * clusterBlocks, end: Math.min(first + end * clusterBlocks, blocks) });
    else free += end - cluster;
    cluster = end;
  }
  if (free !== group.freeClusters) {
    throw corrupt(`group ${number} has ${free} free blocks by its bitmap, ${group.freeClusters} by its descriptor`, { offset: group.blockBitmap * blockBytes });
  }
  return spans;
}

function bitAt(bitmap: Buffer, bit: number): boolean {
  return (((bitmap[bit >>> 3] ?? 0) >>> (bit & 7)) & 1) === 1;
}

function joined(spans: readonly Span[]): Span[] {
  const result: Span[] = [];
  for (const span of spans) {
    const last = result.at(-1);
    if (last?.end === span.start) result[result.length - 1] = { start: last.start, end: span.end };
    else result.push(span);
  }
  return result;
}

/** Both ascend. */
function withoutSpans(spans: readonly Span[], removed: readonly Span[]): Span[] {
  const result: Span[] = [];
  let index = 0;
  for (const { start, end } of spans) {
    let from = start;
    while ((removed[index]?.end ?? Infinity) <= from) index++;
    for (let next = removed[index]; next && next.start < end; next = removed[++index]) {
      if (next.start > from) result.push({ start: from, end: next.start });
      from = next.end;
      if (from >= end) break;
    }
    if (from < end) result.push({ start: from, end });
  }
  return result;
}
