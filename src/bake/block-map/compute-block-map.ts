import { createHash } from 'node:crypto';
import { endOf, gapsBetween, mergeRanges, mergeSmallGaps, type ByteRange } from '../disk/byte-ranges.ts';
import { slice, type DiskReader } from '../disk/disk-file.ts';
import { openExt4 } from '../disk/ext4/open-ext4.ts';
import { usedFatRanges } from '../disk/fat/fat.ts';
import { gptRanges } from '../disk/gpt.ts';
import { identifyContents } from '../disk/identify-contents.ts';
import type { OsImageLayout } from '../disk/inspect-image.ts';
import { readRawPartitionTable, type Partition } from '../disk/partition-table.ts';
import type { BlockMap, MappedRange } from './block-map.ts';

const blockSizeBytes = 4096;
/** What is read at once. */
const chunkBytes = 1024 * 1024;
/** Gaps of free blocks up to this size are written as well, so that a card gets fewer, longer writes: smallest first ... */
const largestMergedGapBytes = 64 * 1024;
/** ... until they cost this part of the used bytes: half of what a flash may write beyond them. */
const mergedShare = 0.01;

/**
 * Which blocks of the image a card needs, with the sha256 of each range; computed from the file systems, so the image may
 * be sparse or not. Mapped are
 * - the first block (partition table) and a GPT's tables, whole: an empty entry must be empty on the card;
 * - the blocks in use of every FAT and ext4 partition, and all of any other partition;
 * - of what lies outside of partitions, the blocks that are not zero (boot loaders, extended boot records);
 * - small gaps between these, up to 64 KiB each and 1 % of the above together.
 *
 * A used block is mapped even where it is all zeros, which tools that look for holes in a sparse file miss: a card that was
 * used before holds stale bytes there, and zeros in a file, an inode table or a bitmap mean zeros. A free block may hold
 * anything: file systems write it before they read it. That is why a hole is left out only where nothing is in use.
 * @throws ShipError E_FAT, E_EXT4 when a file system is damaged; E_IMAGE_TRUNCATED
 */
export async function computeBlockMap(disk: DiskReader, { table }: Pick<OsImageLayout, 'table'>): Promise<BlockMap> {
  const { sizeBytes: imageSizeBytes } = disk;
  const { gpt } = await readRawPartitionTable(disk);
  const used: (readonly ByteRange[])[] = [[{ startBytes: 0, sizeBytes: blockSizeBytes }], gpt ? gptRanges(gpt) : []];
  for (const partition of table.partitions) used.push(await usedInPartition(disk, partition));
  const partitions = table.partitions.toSorted((a, b) => a.startBytes - b.startBytes);
  for (const gap of gapsBetween(partitions, imageSizeBytes)) used.push(await nonZeroBlocks(disk, gap));

  const whole = mergeRanges(used.flat(), blockSizeBytes, imageSizeBytes);
  const usedBytes = whole.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const ranges: MappedRange[] = [];
  for (const range of mergeSmallGaps(whole, largestMergedGapBytes, Math.floor(usedBytes * mergedShare))) {
    ranges.push({ ...range, sha256: await sha256Of(disk, range) });
  }
  return Object.freeze({ imageSizeBytes, blockSizeBytes, ranges: Object.freeze(ranges) });
}

async function usedInPartition(disk: DiskReader, { startBytes, sizeBytes }: Partition): Promise<readonly ByteRange[]> {
  const reader = slice(disk, startBytes, sizeBytes);
  const kind = (await identifyContents(reader))?.kind;
  const inside =
    kind === 'fat'
      ? await usedFatRanges(reader)
      : kind === 'ext4'
        ? await (await openExt4(reader)).usedRanges()
        : [{ startBytes: 0, sizeBytes }];
  return inside.map((range) => ({ startBytes: startBytes + range.startBytes, sizeBytes: range.sizeBytes }));
}

async function* chunksOf(disk: DiskReader, range: ByteRange): AsyncGenerator<{ offset: number; bytes: Buffer }> {
  for (let offset = range.startBytes; offset < endOf(range); offset += chunkBytes) {
    yield { offset, bytes: await disk.read(offset, Math.min(chunkBytes, endOf(range) - offset)) };
  }
}

const zeros = Buffer.alloc(blockSizeBytes);

/** Merged where they touch. Blocks count from the beginning of the range. */
async function nonZeroBlocks(disk: DiskReader, range: ByteRange): Promise<ByteRange[]> {
  const found: { startBytes: number; sizeBytes: number }[] = [];
  for await (const { offset, bytes } of chunksOf(disk, range)) {
    for (let at = 0; at < bytes.length; at += blockSizeBytes) {
      const block = bytes.subarray(at, at + blockSizeBytes);
      if (block.equals(zeros.subarray(0, block.length))) continue;
      const last = found.at(-1);
      if (last && endOf(last) === offset + at) last.sizeBytes += block.length;
      else found.push({ startBytes: offset + at, sizeBytes: block.length });
    }
  }
  return found;
}

async function sha256Of(disk: DiskReader, range: ByteRange): Promise<string> {
  const hash = createHash('sha256');
  for await (const { bytes } of chunksOf(disk, range)) hash.update(bytes);
  return hash.digest('hex');
}
