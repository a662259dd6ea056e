import type { FileHandle } from 'node:fs/promises';
import { corrupt, unsupported } from './image-error.ts';

export interface ZstdFrame {
  readonly offset: number;
  readonly length: number;
  /** As its header tells; absent where the compressor did not know. */
  readonly uncompressedBytes?: number;
}

const frameMagic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;
/** What Node's decompressor allows, and `zstd` without --long: 128 MiB. */
const windowLimitBytes = 128 * 1024 * 1024;
const longestHeaderBytes = 18;

/**
 * Finds the frames by their block headers (RFC 8878, section 3.1), reading a few bytes of each block: Node's decompressor ends
 * at the first frame's end (24.21), and files of `pzstd` or of the seekable format have many. Skippable frames are left out.
 * @throws ShipError E_IMAGE_CORRUPT (truncated, garbage between frames), E_IMAGE_FORMAT (a window beyond 128 MiB, a dictionary)
 */
export async function readZstdFrames(handle: FileHandle, file: string, sizeBytes: number): Promise<readonly ZstdFrame[]> {
  const buffer = Buffer.alloc(longestHeaderBytes);
  const read = async (offset: number, length: number) => {
    const { bytesRead } = await handle.read(buffer, 0, length, offset);
    return buffer.fill(0, bytesRead);
  };
  const frames: ZstdFrame[] = [];
  let at = 0;
  while (at < sizeBytes) {
    const offset = at;
    const header = await read(at, longestHeaderBytes);
    const magic = header.readUInt32LE(0);
    if ((magic & 0xfffffff0) >>> 0 === skippableMagic) {
      at += 8 + header.readUInt32LE(4);
      continue;
    }
    if (magic !== frameMagic) throw corrupt(file, `no zstd frame begins at byte ${at}`);
    const { headerBytes, checksumBytes, windowBytes, uncompressedBytes, dictionary } = decodeHeader(header);
    if (dictionary) throw unsupported(file, 'it was compressed with a zstd dictionary', 'Compress it again without one.');
    if (windowBytes > windowLimitBytes) {
      throw unsupported(file, `its zstd window has ${windowBytes} bytes, at most ${windowLimitBytes} are supported`, 'Compress it again without `--long`.');
    }
    at += headerBytes;
    for (let last = false; !last; ) {
      if (at + 3 > sizeBytes) throw truncated(file, sizeBytes);
      const block = (await read(at, 3)).readUIntLE(0, 3);
      last = (block & 1) === 1;
      const kind = (block >> 1) & 3;
      at += 3 + (kind === 1 ? 1 : block >> 3); // 1: one byte, repeated
    }
    at += checksumBytes;
    if (at > sizeBytes) throw truncated(file, sizeBytes);
    frames.push({ offset, length: at - offset, ...(uncompressedBytes === undefined ? {} : { uncompressedBytes }) });
  }
  return frames;
}

function decodeHeader(header: Buffer) {
  const descriptor = header.readUInt8(4);
  const singleSegment = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const sizeFlag = descriptor >> 6;
  const contentSizeBytes = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 2 ** sizeFlag;
  const contentSizeAt = 5 + (singleSegment ? 0 : 1) + dictionaryBytes;
  const uncompressedBytes =
    contentSizeBytes === 0
      ? undefined
      : contentSizeBytes === 8
        ? Number(header.readBigUInt64LE(contentSizeAt))
        : header.readUIntLE(contentSizeAt, contentSizeBytes) + (contentSizeBytes === 2 ? 256 : 0);
  const window = header.readUInt8(5);
  const base = 2 ** (10 + (window >> 3));
  return {
    headerBytes: contentSizeAt + contentSizeBytes,
    checksumBytes: (descriptor & 4) === 0 ? 0 : 4,
    windowBytes: singleSegment ? (uncompressedBytes ?? 0) : base + (base / 8) * (window & 7),
    dictionary: dictionaryBytes > 0 && header.readUIntLE(5 + (singleSegment ? 0 : 1), dictionaryBytes) !== 0,
    uncompressedBytes,
  };
}

function truncated(file: string, sizeBytes: number) {
  return corrupt(file, `it ends after ${sizeBytes} bytes, in the middle of a zstd frame`);
}
