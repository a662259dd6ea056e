import { corrupt } from '../ext4-error.ts';
import { readBlock, type Volume } from '../volume.ts';
import type { BlockRun } from './block-runs.ts';
import type { Inode } from './inode.ts';

const directBlocks = 12;

/** The block map of ext2 and ext3: 12 blocks, then blocks of block numbers, up to three levels deep. @throws ShipError E_EXT4 */
export async function* readIndirectBlocks(volume: Volume, inode: Inode): AsyncGenerator<BlockRun> {
  const perBlock = volume.superblock.blockBytes / 4;
  const map: BlockMapReader = { volume, inode, perBlock, end: Math.ceil(inode.sizeBytes / volume.superblock.blockBytes), seen: new Set() };
  let run: BlockRun | undefined;
  for await (const [logical, physical] of mappedBlocks(map)) {
    if (run && logical === run.logical + run.count && physical === run.physical + run.count) {
      run = { ...run, count: run.count + 1 };
      continue;
    }
    if (run) yield run;
    run = { logical, physical, count: 1 };
  }
  if (run) yield run;
}

interface BlockMapReader {
  readonly volume: Volume;
  readonly inode: Inode;
  readonly perBlock: number;
  /** The first block behind the file. */
  readonly end: number;
  /** Blocks of block numbers: none may be used twice, or a damaged map would never end. */
  readonly seen: Set<number>;
}

async function* mappedBlocks(map: BlockMapReader): AsyncGenerator<readonly [logical: number, physical: number]> {
  const { blockArea } = map.inode;
  for (let index = 0; index < directBlocks && index < map.end; index++) {
    const block = blockArea.readUInt32LE(index * 4);
    if (block !== 0) yield [index, block];
  }
  let logical = directBlocks;
  for (let level = 1; level <= 3 && logical < map.end; level++) {
    const block = blockArea.readUInt32LE((directBlocks + level - 1) * 4);
    if (block !== 0) yield* below(map, block, level, logical);
    logical += map.perBlock ** level;
  }
}

async function* below(
  map: BlockMapReader,
  block: number,
  level: number,
  first: number,
): AsyncGenerator<readonly [logical: number, physical: number]> {
  const { number } = map.inode;
  if (map.seen.has(block)) throw corrupt(`block ${block} holds block numbers of two places`, { inode: number });
  map.seen.add(block);
  const content = Buffer.from(await readBlock(map.volume, block, { inode: number }));
  const step = map.perBlock ** (level - 1);
  for (let index = 0, logical = first; index < map.perBlock && logical < map.end; index++, logical += step) {
    const next = content.readUInt32LE(index * 4);
    if (next === 0) continue;
    if (level === 1) yield [logical, next];
    else yield* below(map, next, level - 1, logical);
  }
}
