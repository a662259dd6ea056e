import { crc32 } from 'node:zlib';

/** Part of the image that is written at once. */
export interface Piece {
  readonly offset: number;
  readonly data: Buffer;
  /** Which of the ranges it belongs to. */
  readonly range: number;
}

export interface Extent {
  readonly startBytes: number;
  /** Infinity: to the end of the image. */
  readonly sizeBytes: number;
}

export interface CutOptions {
  readonly chunkBytes: number;
  /** Pieces end here, whatever the range. */
  readonly borderBytes: number;
  /** Filled in turn: a piece stays as it is until the next but one is asked for. */
  readonly buffers: readonly [Buffer, Buffer];
  /** The image's length so far; may throw to end it all. */
  readonly onRead: (imageBytes: number) => void;
}

/** Cuts what lies in `ranges` out of an image, in pieces that end at multiples of the chunk's size; the rest is read over. */
export async function* cutPieces(chunks: AsyncIterable<Buffer>, ranges: readonly Extent[], options: CutOptions): AsyncGenerator<Piece, void> {
  const { chunkBytes, borderBytes, buffers, onRead } = options;
  let range = 0;
  let position = 0;
  let filled = 0;
  let turn: 0 | 1 = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const extent = ranges[range];
      const before = extent ? extent.startBytes - position : Infinity;
      if (!extent || before > 0) {
        const skipped = Math.min(before, chunk.length - at);
        at += skipped;
        position += skipped;
        continue;
      }
      const rangeEnd = extent.startBytes + extent.sizeBytes;
      const start = position - filled;
      const end = Math.min(rangeEnd, (Math.floor(start / chunkBytes) + 1) * chunkBytes, start < borderBytes ? borderBytes : Infinity);
      const copied = chunk.copy(buffers[turn], filled, at, Math.min(chunk.length, at + end - position));
      at += copied;
      position += copied;
      filled += copied;
      if (position < end) continue;
      yield { offset: start, data: buffers[turn].subarray(0, filled), range };
      turn = turn === 0 ? 1 : 0;
      filled = 0;
      if (position === rangeEnd) range += 1;
    }
    onRead(position);
  }
  if (filled > 0) yield { offset: position - filled, data: buffers[turn].subarray(0, filled), range };
}

/** What remains of a piece to find the first wrong block when it is read back. */
export interface PieceSums {
  readonly offset: number;
  readonly length: number;
  readonly range: number;
  readonly crcs: Uint32Array;
}

const sumBlockBytes = 4096;

export function sumPiece({ offset, data, range }: Piece): PieceSums {
  const crcs = new Uint32Array(Math.ceil(data.length / sumBlockBytes));
  for (let block = 0; block < crcs.length; block += 1) crcs[block] = crcOfBlock(data, block);
  return { offset, length: data.length, range, crcs };
}

/** Where in the image the first block of `data` lies that is not as it was, or undefined. */
export function firstDifference({ offset, crcs }: PieceSums, data: Buffer): number | undefined {
  const block = crcs.findIndex((crc, at) => crcOfBlock(data, at) !== crc);
  return block < 0 ? undefined : offset + block * sumBlockBytes;
}

function crcOfBlock(data: Buffer, block: number): number {
  return crc32(data.subarray(block * sumBlockBytes, (block + 1) * sumBlockBytes));
}
