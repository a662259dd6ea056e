import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { BlockMap, MappedRange } from '../block-map/block-map.ts';
import type { DiskReader } from '../disk/disk-file.ts';
import { openImageStream } from '../image-stream.ts';

export interface ReadOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (bytes: number) => void;
}

/** What one pass over an image found. */
export interface ImageReading {
  readonly sizeBytes: number;
  readonly sha256: string;
  /** The ranges whose content is not what the block map says. */
  readonly wrongRanges: readonly MappedRange[];
  /** The first MiB, where the partition table is. */
  readonly head: Buffer;
}

/** Room for an MBR, and for a GPT with far more entries than any has. */
const headBytes = 1024 * 1024;

/**
 * Reads an image once, unpacking it where it is compressed, and checks everything that needs its bytes in that pass.
 * @throws ShipError E_IMAGE_CORRUPT when it does not unpack, E_IMAGE_EMPTY
 */
export async function readImage(file: string, map: BlockMap | undefined, { signal, onProgress }: ReadOptions = {}): Promise<ImageReading> {
  const { stream } = await openImageStream(file);
  const whole = createHash('sha256');
  const ranges = rangeChecker(map?.ranges ?? []);
  const head: Buffer[] = [];
  let at = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      signal?.throwIfAborted();
      whole.update(chunk);
      ranges.update(chunk, at);
      if (at < headBytes) head.push(Buffer.from(chunk.subarray(0, headBytes - at)));
      at += chunk.length;
      onProgress?.(chunk.length);
    }
  } finally {
    stream.destroy();
  }
  return { sizeBytes: at, sha256: whole.digest('hex'), wrongRanges: ranges.finish(), head: Buffer.concat(head) };
}

/** sha256 and size of a file as it lies there. */
export async function hashFile(file: string, { signal, onProgress }: ReadOptions = {}): Promise<{ readonly sizeBytes: number; readonly sha256: string }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  // The stream's own AbortError would say less than the signal's reason.
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
    signal?.throwIfAborted();
    hash.update(chunk);
    sizeBytes += chunk.length;
    onProgress?.(chunk.length);
  }
  return { sizeBytes, sha256: hash.digest('hex') };
}

/** The head of an image as a disk of the whole size: enough for its partition table. */
export function headReader({ head, sizeBytes }: ImageReading): DiskReader {
  return {
    sizeBytes,
    read(offset, length) {
      if (offset + length <= head.length) return Promise.resolve(Buffer.from(head.subarray(offset, offset + length)));
      return Promise.reject(new RangeError(`only the first ${head.length} bytes were kept`));
    },
  };
}

interface RangeChecker {
  update(chunk: Buffer, offset: number): void;
  finish(): MappedRange[];
}

/** Hashes ranges, which ascend, out of a stream of chunks. */
function rangeChecker(ranges: readonly MappedRange[]): RangeChecker {
  const wrong: MappedRange[] = [];
  let current = 0;
  let hash: Hash | undefined;
  return {
    update(chunk, offset) {
      for (let range = ranges[current]; range; range = ranges[current]) {
        const end = range.startBytes + range.sizeBytes;
        if (range.startBytes >= offset + chunk.length) return;
        hash ??= createHash('sha256');
        hash.update(chunk.subarray(Math.max(0, range.startBytes - offset), Math.min(chunk.length, end - offset)));
        if (end > offset + chunk.length) return;
        if (range.sha256 !== undefined && hash.digest('hex') !== range.sha256) wrong.push(range);
        hash = undefined;
        current += 1;
      }
    },
    // What the image was too short for.
    finish: () => [...wrong, ...ranges.slice(current)],
  };
}
