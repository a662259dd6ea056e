import { open } from 'node:fs/promises';
import { writeAtomically } from '../../host/files.ts';
import { inBlocks } from './in-blocks.ts';

export interface WriteSparseOptions {
  readonly onProgress?: (doneBytes: number) => void;
  readonly signal?: AbortSignal;
}

/** What is zero in a whole page is left out: the block of every file system that matters here. */
const pageBytes = 4096;
const blockBytes = 1024 * 1024;
const zeros = Buffer.alloc(pageBytes);

/** Writes a raw image, leaving out runs of zeros; the file is there whole, or not at all. */
export async function writeSparse(stream: AsyncIterable<Buffer>, file: string, options: WriteSparseOptions = {}): Promise<{ sizeBytes: number; writtenBytes: number }> {
  let sizeBytes = 0;
  let writtenBytes = 0;
  await writeAtomically(file, async (temporary) => {
    const handle = await open(temporary, 'w');
    try {
      for await (const block of inBlocks(stream, blockBytes)) {
        options.signal?.throwIfAborted();
        for (const [from, to] of runsOfData(block)) {
          for (let at = from; at < to; ) at += (await handle.write(block, at, to - at, sizeBytes + at)).bytesWritten;
          writtenBytes += to - from;
        }
        sizeBytes += block.length;
        options.onProgress?.(sizeBytes);
      }
      await handle.truncate(sizeBytes);
    } finally {
      await handle.close();
    }
  });
  return { sizeBytes, writtenBytes };
}

function* runsOfData(block: Buffer): Iterable<[from: number, to: number]> {
  let from = -1;
  for (let at = 0; at < block.length; at += pageBytes) {
    const end = Math.min(at + pageBytes, block.length);
    const empty = block.compare(zeros, 0, end - at, at, end) === 0;
    if (!empty && from < 0) from = at;
    if (empty && from >= 0) {
      yield [from, at];
      from = -1;
    }
  }
  if (from >= 0) yield [from, block.length];
}
