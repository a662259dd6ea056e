import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { ResumableSource } from '../../host/ssh/connection.ts';
import { readRanges, type PartialArchive } from '../../oci/archive/partial-archive.ts';
import { decompressFrames, type Archive } from '../../oci/archive/read-archive.ts';

/**
 * What is sent of an archive. It is read once here, because uploads go by the digest of the whole.
 * zstd is a part of the file, so a resumed upload reads from where it goes on. gzip, for engines that know no zstd, is made
 * anew each time, the same bytes from the same release with the same Node, and what the host has is dropped here.
 */
export async function archiveSource(
  archive: Archive,
  { ranges, frames }: PartialArchive,
  compression: 'zstd' | 'gzip',
  signal: AbortSignal,
): Promise<ResumableSource> {
  const read =
    compression === 'zstd'
      ? (offset: number) => readRanges(archive.file, ranges, offset)
      : (offset: number) => withoutFirst(gzipped(archive.file, frames), offset);
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of read(0)) {
    signal.throwIfAborted();
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sizeBytes, digest: `sha256:${hash.digest('hex')}`, read };
}

function gzipped(file: string, frames: PartialArchive['frames']): AsyncIterable<Buffer> {
  const source = Readable.from(decompressFrames(file, frames), { objectMode: false });
  const gzip = createGzip({ level: 6 });
  source.on('error', (error) => gzip.destroy(error));
  gzip.once('close', () => source.destroy()); // also when nobody reads on
  return source.pipe(gzip) as AsyncIterable<Buffer>;
}

async function* withoutFirst(chunks: AsyncIterable<Buffer>, skipBytes: number): AsyncIterable<Buffer> {
  let skip = skipBytes;
  for await (const chunk of chunks) {
    if (skip < chunk.length) yield chunk.subarray(skip);
    skip = Math.max(0, skip - chunk.length);
  }
}
