import { createReadStream } from 'node:fs';
import type { Digest } from '../digest.ts';
import type { Archive, ByteRange } from './read-archive.ts';

/** An archive without the layers that a host has already: byte ranges of the whole one, nothing recompressed. */
export interface PartialArchive {
  readonly ranges: readonly ByteRange[];
  /** The same, frame by frame, for whoever must decompress. */
  readonly frames: readonly ByteRange[];
  /** Exactly what will be sent. */
  readonly sizeBytes: number;
  /** The layers that are in it. */
  readonly diffIds: readonly Digest[];
}

/**
 * Leaves out the longest prefix of layers that some image on the host begins with. Only a prefix counts: overlay2 looks
 * layers up by chainID, so the same diffID on another parent is of no use (moby, image/tarexport/load.go).
 * @param chains the diffIDs of each image on the host
 */
export function partialArchive(archive: Archive, chains: readonly (readonly Digest[])[]): PartialArchive {
  const known = Math.max(0, ...chains.map((chain) => commonPrefixLength(archive.diffIds, chain)));
  const omitted = new Set(archive.diffIds.slice(0, known));
  // A layer that also occurs after the prefix stands once in the file and is needed there.
  const needed = new Set(archive.diffIds.slice(known));
  const layers = archive.layers.filter(({ diffId }) => !omitted.has(diffId) || needed.has(diffId));
  const frames = [archive.head, ...layers.flatMap((layer) => layer.frames), archive.tail];
  const ranges = mergeAdjacent(frames);
  return {
    frames,
    ranges,
    sizeBytes: ranges.reduce((sum, { length }) => sum + length, 0),
    diffIds: layers.map(({ diffId }) => diffId),
  };
}

/** The bytes of these ranges, in order, without the first `skipBytes` of them. */
export async function* readRanges(file: string, ranges: readonly ByteRange[], skipBytes = 0): AsyncIterable<Buffer> {
  let skip = skipBytes;
  for (const { offset, length } of ranges) {
    const skipped = Math.min(skip, length);
    skip -= skipped;
    if (skipped === length) continue;
    yield* createReadStream(file, { start: offset + skipped, end: offset + length - 1 }) as AsyncIterable<Buffer>;
  }
}

function commonPrefixLength(a: readonly Digest[], b: readonly Digest[]): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return length;
}

function mergeAdjacent(ranges: readonly ByteRange[]): ByteRange[] {
  const merged: ByteRange[] = [];
  for (const range of ranges) {
    const last = merged.at(-1);
    if (last && last.offset + last.length === range.offset) {
      merged[merged.length - 1] = { offset: last.offset, length: last.length + range.length };
    } else {
      merged.push(range);
    }
  }
  return merged;
}
