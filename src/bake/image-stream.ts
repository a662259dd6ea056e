import { createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { Readable, type Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { ExitStatus, ShipError } from '../errors.ts';
import { corrupt, unsupported } from './image-formats/image-error.ts';
import { decompressXz, readXzStreams } from './image-formats/xz-streams.ts';
import { findZipImage, readZipEntry } from './image-formats/zip-entry.ts';
import { readZstdFrames } from './image-formats/zstd-frames.ts';

export { writeSparse } from './image-formats/write-sparse.ts';

export type ImageFormat = 'raw' | 'xz' | 'zstd' | 'gzip' | 'zip';

export interface ImageStream {
  /** The image itself, unpacked. Read it to the end or destroy it: an .xz left half read blocks the next. */
  readonly stream: Readable;
  readonly format: ImageFormat;
  /** Unpacked, where that is known without reading everything. */
  readonly sizeBytes?: number;
}

/** Node's default of 16 KiB costs twice the processor time. */
const chunkBytes = 256 * 1024;

const magics: readonly { format: Exclude<ImageFormat, 'raw'>; magic: string }[] = [
  { format: 'xz', magic: 'fd377a585a00' },
  { format: 'zstd', magic: '28b52ffd' },
  { format: 'gzip', magic: '1f8b08' },
  { format: 'zip', magic: '504b0304' },
];
const refused: readonly { name: string; magic: string }[] = [
  { name: 'bzip2', magic: '425a68' },
  { name: '7z', magic: '377abcaf271c' },
  { name: 'lz4', magic: '04224d18' },
  { name: 'an empty zip', magic: '504b0506' },
  { name: 'RAR', magic: '526172211a07' },
  { name: 'a QCOW disk', magic: '514649fb' },
];

/**
 * Opens an image, compressed or not, as its unpacked bytes; told apart by its first bytes, never by its name. The stream
 * itself may fail with E_IMAGE_CORRUPT, too.
 * @throws ShipError E_IMAGE_NOT_FOUND, E_IMAGE_EMPTY, E_IMAGE_CORRUPT, E_IMAGE_FORMAT (a format, or a variant, that is not read)
 */
export async function openImageStream(file: string): Promise<ImageStream> {
  const handle = await open(file, 'r').catch((error: unknown) => {
    throw notReadable(file, error);
  });
  try {
    const stat = await handle.stat();
    if (stat.isDirectory()) throw notReadable(file, new Error('it is a folder'));
    const head = Buffer.alloc(8);
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    if (bytesRead === 0) throw empty(file);
    const hex = head.toString('hex', 0, bytesRead);
    const other = refused.find(({ magic }) => hex.startsWith(magic));
    if (other) throw unsupported(file, `it is ${other.name}`, 'Unpack it first; raw images, .xz, .zst, .gz and .zip are read.');
    const format = magics.find(({ magic }) => hex.startsWith(magic))?.format ?? 'raw';
    const { content, sizeBytes } = await openers[format](handle, file, stat.size);
    if (sizeBytes === 0) throw empty(file);
    const stream = Readable.from(content, { objectMode: false, highWaterMark: chunkBytes });
    return { stream, format, ...(sizeBytes === undefined ? {} : { sizeBytes }) };
  } finally {
    await handle.close();
  }
}

interface Opened {
  readonly content: AsyncIterable<Buffer>;
  readonly sizeBytes?: number | undefined;
}

const openers: Readonly<Record<ImageFormat, (handle: FileHandle, file: string, sizeBytes: number) => Opened | Promise<Opened>>> = {
  raw: (_handle, file, sizeBytes) => ({ content: readRaw(file), sizeBytes }),
  xz: async (handle, file, sizeBytes) => {
    const streams = await readXzStreams(handle, file, sizeBytes);
    return { content: decompressXz(file, streams), sizeBytes: total(streams) };
  },
  zstd: async (handle, file, sizeBytes) => {
    const frames = await readZstdFrames(handle, file, sizeBytes);
    return { content: decompressFrames(file, frames), sizeBytes: total(frames) };
  },
  // The length at a gzip's end counts modulo 4 GiB and speaks of its last member only.
  gzip: (_handle, file) => ({ content: decompress(file, {}, () => createGunzip({ chunkSize: chunkBytes })) }),
  zip: async (_handle, file) => {
    const entry = await findZipImage(file);
    return { content: readZipEntry(file, entry), sizeBytes: entry.uncompressedSize };
  },
};

// Generators open the file only when somebody reads: a stream that is destroyed unread has opened nothing.
async function* readRaw(file: string): AsyncGenerator<Buffer, void> {
  yield* createReadStream(file, { highWaterMark: chunkBytes }) as AsyncIterable<Buffer>;
}

async function* decompressFrames(file: string, frames: readonly { offset: number; length: number }[]): AsyncGenerator<Buffer, void> {
  for (const { offset, length } of frames) {
    yield* decompress(file, { start: offset, end: offset + length - 1 }, () => createZstdDecompress({ chunkSize: chunkBytes }));
  }
}

async function* decompress(file: string, range: { start?: number; end?: number }, createDecompressor: () => Transform): AsyncGenerator<Buffer, void> {
  const compressed = createReadStream(file, { ...range, highWaterMark: chunkBytes });
  const decompressor = createDecompressor();
  compressed.on('error', (error) => decompressor.destroy(error));
  try {
    yield* compressed.pipe(decompressor) as AsyncIterable<Buffer>;
  } catch (error) {
    throw corrupt(file, `it does not unpack (${error instanceof Error ? error.message : String(error)})`, error);
  } finally {
    compressed.destroy();
  }
}

/** Undefined where one of them does not tell. */
function total(parts: readonly { readonly uncompressedBytes?: number }[]): number | undefined {
  return parts.reduce<number | undefined>((sum, { uncompressedBytes }) => (sum === undefined || uncompressedBytes === undefined ? undefined : sum + uncompressedBytes), 0);
}

function empty(file: string): ShipError {
  return new ShipError({
    code: 'E_IMAGE_EMPTY',
    message: 'The image is empty',
    place: { file },
    remedy: 'It was not copied or downloaded: fetch it again.',
    exitStatus: ExitStatus.usage,
  });
}

function notReadable(file: string, cause: unknown): ShipError {
  return new ShipError({
    code: 'E_IMAGE_NOT_FOUND',
    message: `The image cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
    place: { file },
    remedy: 'Check the path.',
    exitStatus: ExitStatus.usage,
    cause,
  });
}
