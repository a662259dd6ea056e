import type { FileHandle } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { crc32 } from 'node:zlib';
import xz from 'xz-decompress';
import { corrupt, unsupported } from './image-error.ts';

/** One .xz stream of a file: several of them, with zeros between, make one file (.xz file format 1.2.1, section 2). */
export interface XzStream {
  readonly offset: number;
  readonly length: number;
  readonly uncompressedBytes: number;
}

const headerBytes = 12;
const headerMagic = Buffer.from('fd377a585a00', 'hex');
/** A record of the index is a few bytes; an image in blocks of 1 MiB has a few thousand. */
const indexLimitBytes = 64 * 1024 * 1024;
const inputBytes = 256 * 1024;
/** Checks that the decompressor computes: none, CRC32, CRC64 (xz-embedded; it knows no SHA-256). */
const knownChecks: readonly number[] = [0, 1, 4];
/** xz-embedded's xz_ret, as the decompressor's errors end. */
const refusals = [
  { message: 'error code 3', what: 'its xz dictionary is too large', remedy: 'Compress it again with `xz -9` at most.' },
  { message: 'error code 4', what: 'its xz dictionary is too large', remedy: 'Compress it again with `xz -9` at most.' },
  { message: 'error code 6', what: 'its xz data went through a filter other than LZMA2', remedy: 'Compress it again with plain `xz`.' },
];

/**
 * Reads the indexes from the end of the file backwards, so that a truncated file is refused before a byte is unpacked and
 * the unpacked size is known.
 * @throws ShipError E_IMAGE_CORRUPT, E_IMAGE_FORMAT (a check that cannot be computed; only CRC32, CRC64 and none can)
 */
export async function readXzStreams(handle: FileHandle, file: string, sizeBytes: number): Promise<readonly XzStream[]> {
  const read = async (offset: number, length: number) => {
    if (offset < 0) throw corrupt(file, 'its index does not fit its size');
    const buffer = Buffer.alloc(length);
    await handle.read(buffer, 0, length, offset);
    return buffer;
  };
  const streams: XzStream[] = [];
  let end = sizeBytes;
  while (end > 0) {
    const footer = await read(end - headerBytes, headerBytes);
    if (footer.readUInt32LE(8) === 0) {
      end -= 4; // padding between streams
      continue;
    }
    if (footer.toString('latin1', 10) !== 'YZ' || footer.readUInt32LE(0) !== crc32(footer.subarray(4, 10))) {
      throw corrupt(file, `it does not end like an xz file (byte ${end})`);
    }
    const indexBytes = (footer.readUInt32LE(4) + 1) * 4;
    if (indexBytes > indexLimitBytes) throw corrupt(file, `its index claims ${indexBytes} bytes`);
    const index = decodeIndex(await read(end - headerBytes - indexBytes, indexBytes));
    if (!index) throw corrupt(file, 'its index is broken');
    const offset = end - headerBytes - indexBytes - index.blocksBytes - headerBytes;
    const header = await read(offset, headerBytes);
    if (!header.subarray(0, 6).equals(headerMagic)) throw corrupt(file, `no xz stream begins at byte ${offset}`);
    if (!knownChecks.includes(header.readUInt8(7))) {
      throw unsupported(file, `its xz integrity check is of kind ${header.readUInt8(7)} (SHA-256 is 10)`, 'Compress it again: `xz --check=crc64`.');
    }
    streams.unshift({ offset, length: end - offset, uncompressedBytes: index.uncompressedBytes });
    end = offset;
  }
  return streams;
}

/**
 * One after the other: the decompressor ends at its stream's end.
 * @throws ShipError E_IMAGE_CORRUPT, E_IMAGE_FORMAT (a filter or a dictionary that the decompressor does not know)
 */
export async function* decompressXz(file: string, streams: readonly XzStream[]): AsyncGenerator<Buffer, void> {
  for (const { offset, length, uncompressedBytes } of streams) {
    const compressed = createReadStream(file, { start: offset, end: offset + length - 1, highWaterMark: inputBytes });
    const reader = new xz.XzReadableStream(Readable.toWeb(compressed) as ReadableStream<Uint8Array>).getReader();
    let doneBytes = 0;
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        if (part.value.length === 0) continue;
        doneBytes += part.value.length;
        yield Buffer.from(part.value.buffer, part.value.byteOffset, part.value.byteLength);
      }
    } catch (error) {
      const refusal = refusals.find(({ message }) => error instanceof Error && error.message.endsWith(message));
      if (refusal) throw unsupported(file, refusal.what, refusal.remedy);
      throw corrupt(file, `its xz data breaks off ${doneBytes} bytes after the start of the stream at byte ${offset}`, error);
    } finally {
      await reader.cancel().catch(() => {}); // lets the next stream have the decompressor
      compressed.destroy();
    }
    if (doneBytes !== uncompressedBytes) throw corrupt(file, `its index tells of ${uncompressedBytes} bytes, ${doneBytes} came out`);
  }
}

/** Section 4 of the format: records of (unpadded size, uncompressed size), as variable-length integers. */
function decodeIndex(index: Buffer): { blocksBytes: number; uncompressedBytes: number } | undefined {
  const end = index.length - 4;
  if (index[0] !== 0 || index.readUInt32LE(end) !== crc32(index.subarray(0, end))) return undefined;
  let at = 1;
  const next = () => {
    let value = 0;
    for (let factor = 1; at < end; factor *= 128) {
      const byte = index.readUInt8(at++);
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) break;
    }
    return value;
  };
  let blocksBytes = 0;
  let uncompressedBytes = 0;
  for (let records = next(); records > 0 && at < end; records -= 1) {
    blocksBytes += Math.ceil(next() / 4) * 4;
    uncompressedBytes += next();
  }
  return { blocksBytes, uncompressedBytes };
}
