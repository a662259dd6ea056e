import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createZstdDecompress } from 'node:zlib';
import { extract } from 'tar-stream';
import { ShipError } from '../../errors.ts';
import { MediaType, type ImageConfig, type ImageIndex, type Manifest } from '../descriptor.ts';
import { digestOf, encodedPart, type Digest } from '../digest.ts';
import { blobPath } from '../layout.ts';
import { normalizePlatform, type Platform } from '../platform.ts';
import { decodeSeekTable, footerBytes, seekTableLength, type Frame } from './seek-table.ts';
import type { ArchiveOptions } from './write-archive.ts';

/** A part of the compressed file. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface ArchiveLayer {
  readonly diffId: Digest;
  /** Uncompressed. */
  readonly sizeBytes: number;
  /** Where its zstd frames stand in the file; a layer that occurs twice in the image stands there once. */
  readonly frames: readonly ByteRange[];
}

/** What an archive says of itself; the layers' content is not read yet. */
export interface Archive {
  readonly file: string;
  readonly reference: string;
  readonly platform: Platform;
  readonly configDigest: Digest;
  readonly diffIds: readonly Digest[];
  /** Each distinct layer once, in the order of the file. */
  readonly layers: readonly ArchiveLayer[];
  /** The frame with the small documents. */
  readonly head: ByteRange;
  /** The frame with the end of the tar. */
  readonly tail: ByteRange;
  readonly sizeBytes: number;
}

/** The small documents together; a real image's are a few KiB. */
const headLimitBytes = 16 * 1024 * 1024;
const tarBlockBytes = 512;
/** Node's default of 16 KiB costs twice the processor time: a callback and a buffer to collect for each. */
const chunkBytes = 256 * 1024;

/**
 * Reads the seek table and the small documents, and checks that they fit each other.
 * @throws ShipError E_ARCHIVE_DAMAGED when it is truncated, changed, or not an archive that prose-ship wrote
 */
export async function openArchive(file: string): Promise<Archive> {
  const handle = await open(file, 'r').catch((error: unknown) => {
    throw damagedArchive(file, 'it cannot be read', error);
  });
  try {
    const { size } = await handle.stat();
    const frames = placeFrames(file, await readSeekTable(handle, file, size), size);
    const [first, ...rest] = frames;
    const last = rest.pop();
    if (!first || !last || first.decompressedBytes > headLimitBytes) throw damagedArchive(file, 'its seek table is not of an image');
    const documents = await readDocuments(file, rangeOf(first));
    return { file, sizeBytes: size, head: rangeOf(first), tail: rangeOf(last), ...describe(file, documents, rest) };
  } finally {
    await handle.close();
  }
}

/**
 * Reads the whole archive: every blob must have the digest that it is filed under, and none may be missing.
 * @throws ShipError E_ARCHIVE_DAMAGED naming the first blob that is wrong
 */
export async function verifyArchive(file: string, options: ArchiveOptions = {}): Promise<Archive> {
  const archive = await openArchive(file);
  let doneBytes = 0;
  for (const layer of archive.layers) {
    const hash = createHash('sha256');
    await readEntries(file, layer.frames, async (name, content) => {
      if (name !== blobPath(layer.diffId)) throw damagedArchive(file, `'${name}' stands where ${blobPath(layer.diffId)} belongs`);
      for await (const chunk of content) {
        options.signal?.throwIfAborted();
        hash.update(chunk);
      }
    });
    const actual = `sha256:${hash.digest('hex')}`;
    if (actual !== layer.diffId) throw damagedArchive(file, `its layer ${layer.diffId} has the digest ${actual}`);
    doneBytes += layer.frames.reduce((sum, { length }) => sum + length, 0);
    options.onProgress?.(doneBytes, archive.sizeBytes);
  }
  await readEntries(file, [archive.tail], (name) => {
    throw damagedArchive(file, `'${name}' stands where its tar should end`);
  });
  return archive;
}

/** The manifest and the config of an archive, byte by byte as their digests say. */
export async function readImageDocuments({ file, head, configDigest }: Archive): Promise<{ readonly manifest: Buffer; readonly config: Buffer }> {
  const documents = await readDocuments(file, head);
  const index = documents.get('index.json');
  const descriptor = index && (JSON.parse(index.toString('utf8')) as ImageIndex).manifests.find(({ mediaType }) => mediaType === MediaType.manifest);
  const manifest = descriptor && documents.get(blobPath(descriptor.digest));
  const config = documents.get(blobPath(configDigest));
  if (!manifest || !config) throw damagedArchive(file, 'it has no manifest or config');
  return { manifest, config };
}

/**
 * A layer's content, uncompressed, without its first `skipBytes`.
 * @throws RangeError for a layer that is none of the archive's
 */
export async function* readLayer({ file, layers }: Archive, diffId: Digest, skipBytes = 0): AsyncIterable<Buffer> {
  const layer = layers.find((one) => one.diffId === diffId);
  if (!layer) throw new RangeError(`${diffId} is no layer of ${file}`);
  // Its entry of the tar: a header before, padding behind.
  let skip = tarBlockBytes + skipBytes;
  let left = layer.sizeBytes - skipBytes;
  for await (const chunk of decompressFrames(file, layer.frames)) {
    const part = chunk.subarray(Math.min(skip, chunk.length)).subarray(0, left);
    skip = Math.max(0, skip - chunk.length);
    left -= part.length;
    if (part.length > 0) yield part;
    if (left <= 0) return;
  }
}

async function readSeekTable(handle: FileHandle, file: string, size: number): Promise<readonly Frame[]> {
  const read = async (length: number) => {
    const buffer = Buffer.alloc(Math.min(length, size));
    await handle.read(buffer, 0, buffer.length, size - buffer.length);
    return buffer;
  };
  const length = seekTableLength(await read(footerBytes));
  const frames = length === undefined || length > size ? undefined : decodeSeekTable(await read(length));
  if (!frames) throw damagedArchive(file, 'it has no seek table at its end: truncated, or not written by prose-ship');
  return frames;
}

interface PlacedFrame extends Frame {
  readonly offset: number;
}

function placeFrames(file: string, frames: readonly Frame[], size: number): PlacedFrame[] {
  let offset = 0;
  const placed = frames.map((frame) => {
    const at = { ...frame, offset };
    offset += frame.compressedBytes;
    return at;
  });
  const tableBytes = size - offset;
  if (tableBytes !== 8 + frames.length * 8 + footerBytes) {
    throw damagedArchive(file, `its seek table speaks of ${offset} bytes of frames, the file has ${size} bytes`);
  }
  return placed;
}

async function readDocuments(file: string, frame: ByteRange): Promise<ReadonlyMap<string, Buffer>> {
  const documents = new Map<string, Buffer>();
  await readEntries(file, [frame], async (name, content) => {
    documents.set(name, await collect(content, headLimitBytes));
  });
  for (const [name, content] of documents) {
    if (name.startsWith('blobs/') && name !== blobPath(digestOf(content))) {
      throw damagedArchive(file, `its blob ${name} has the digest ${digestOf(content)}`);
    }
  }
  return documents;
}

type Described = Pick<Archive, 'reference' | 'platform' | 'configDigest' | 'diffIds' | 'layers'>;

function describe(file: string, documents: ReadonlyMap<string, Buffer>, frames: readonly PlacedFrame[]): Described {
  const read = (name: string): unknown => {
    const content = documents.get(name);
    if (!content) throw damagedArchive(file, `it has no ${name}`);
    try {
      return JSON.parse(content.toString('utf8'));
    } catch (error) {
      throw damagedArchive(file, `its ${name} is not JSON`, error);
    }
  };
  const [image] = read('manifest.json') as { Config: string; RepoTags: string[]; Layers: string[] }[];
  const descriptor = (read('index.json') as ImageIndex).manifests.find(({ mediaType }) => mediaType === MediaType.manifest);
  const [reference] = image?.RepoTags ?? [];
  if (!image || !descriptor || !reference) throw damagedArchive(file, 'its index.json or manifest.json names no image');
  const manifest = read(blobPath(descriptor.digest)) as Manifest;
  const config = read(blobPath(manifest.config.digest)) as ImageConfig;
  const diffIds = config.rootfs.diff_ids;
  const agree =
    image.Config === blobPath(manifest.config.digest) &&
    image.Layers.join() === diffIds.map(blobPath).join() &&
    manifest.layers.map(({ digest }) => digest).join() === diffIds.join();
  if (!agree) throw damagedArchive(file, 'its manifest.json, manifest and config name different layers');
  return {
    reference,
    platform: normalizePlatform(config),
    configDigest: manifest.config.digest,
    diffIds,
    layers: placeLayers(file, manifest, frames),
  };
}

/** Layers stand in the manifest's order, each in one frame or several; the seek table tells where. */
function placeLayers(file: string, manifest: Manifest, frames: readonly PlacedFrame[]): ArchiveLayer[] {
  const waiting = [...frames];
  const distinct = new Map(manifest.layers.map((layer) => [layer.digest, layer]));
  const layers = [...distinct.values()].map(({ digest, size }) => {
    const entryBytes = tarBlockBytes + Math.ceil(size / tarBlockBytes) * tarBlockBytes;
    const ranges: ByteRange[] = [];
    let covered = 0;
    while (covered < entryBytes) {
      const frame = waiting.shift();
      if (!frame) throw damagedArchive(file, `its layer ${encodedPart(digest).slice(0, 12)} is missing`);
      ranges.push(rangeOf(frame));
      covered += frame.decompressedBytes;
    }
    if (covered !== entryBytes) throw damagedArchive(file, `its seek table does not fit the layer ${digest}`);
    return { diffId: digest, sizeBytes: size, frames: ranges };
  });
  if (waiting.length > 0) throw damagedArchive(file, 'it has more frames than its manifest has layers');
  return layers;
}

async function readEntries(
  file: string,
  frames: readonly ByteRange[],
  onEntry: (name: string, content: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  const entries = extract();
  const reading = (async () => {
    for await (const entry of entries) await onEntry(entry.header.name, entry as AsyncIterable<Buffer>);
  })();
  try {
    await Promise.all([pipeline(decompressFrames(file, frames), entries), reading]);
  } catch (error) {
    throw error instanceof ShipError ? error : damagedArchive(file, `it cannot be unpacked at byte ${frames[0]?.offset ?? 0}`, error);
  }
}

/** Node's decompressor ends at the first frame's end (24.21), so every frame gets one of its own. */
export async function* decompressFrames(file: string, frames: readonly ByteRange[]): AsyncIterable<Buffer> {
  for (const { offset, length } of frames) {
    const compressed = createReadStream(file, { start: offset, end: offset + length - 1, highWaterMark: chunkBytes });
    const decompressor = createZstdDecompress({ chunkSize: chunkBytes });
    compressed.on('error', (error) => decompressor.destroy(error));
    yield* compressed.pipe(decompressor) as AsyncIterable<Buffer>;
  }
}

async function collect(content: AsyncIterable<Buffer>, limitBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of content) {
    size += chunk.length;
    if (size > limitBytes) throw new RangeError(`more than ${limitBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function rangeOf({ offset, compressedBytes }: PlacedFrame): ByteRange {
  return { offset, length: compressedBytes };
}

/** E_ARCHIVE_DAMAGED of that file; `what` says what is wrong with it. */
export function damagedArchive(file: string, what: string, cause?: unknown): ShipError {
  return new ShipError({
    code: 'E_ARCHIVE_DAMAGED',
    message: `The image archive is damaged: ${what}`,
    place: { file },
    remedy: 'Build the release again, or copy it again from where it came.',
    cause,
  });
}
