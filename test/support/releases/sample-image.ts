import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { BlockMap } from '../../../src/bake/block-map/block-map.ts';
import { formatBmap } from '../../../src/bake/block-map/bmap.ts';
import { temporaryDirectory } from '../temporary-directory.ts';

export interface SampleImage {
  readonly directory: string;
  /** `card.img`, with `card.img.bmap` beside it. */
  readonly file: string;
  readonly content: Buffer;
  readonly map: BlockMap;
  readonly mappedBytes: number;
}

const MiB = 1024 * 1024;
/** A partition table, a run across the first MiB, a single block, a run across a chunk, and a gap at the end. */
const extents: readonly (readonly [startBytes: number, sizeBytes: number])[] = [
  [0, 64 * 1024],
  [768 * 1024, 2 * MiB],
  [3 * MiB + 4096, 4096],
  [6 * MiB, 3 * MiB + 4096],
  [16 * MiB, 4 * MiB],
];

/** 24 MiB of which 9 are used; what is not mapped is zero. */
export async function sampleImage(): Promise<SampleImage> {
  const directory = await temporaryDirectory('flash');
  const content = Buffer.alloc(24 * MiB);
  for (const [start, size] of extents) randomBytes(size).copy(content, start);
  content.write('\x55\xaa', 510, 'latin1');
  const ranges = extents.map(([startBytes, sizeBytes]) => ({
    startBytes,
    sizeBytes,
    sha256: createHash('sha256').update(content.subarray(startBytes, startBytes + sizeBytes)).digest('hex'),
  }));
  const map = { imageSizeBytes: content.length, blockSizeBytes: 4096, ranges };
  const file = path.join(directory, 'card.img');
  await writeFile(file, content);
  await writeFile(`${file}.bmap`, formatBmap(map));
  return { directory, file, content, map, mappedBytes: extents.reduce((sum, [, size]) => sum + size, 0) };
}
