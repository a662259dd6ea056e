import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { ShipError } from '../../errors.ts';
import { MediaType, type Descriptor, type Manifest } from '../descriptor.ts';
import { digestOf, type Digest } from '../digest.ts';
import { blobPath, layoutMarker, openBlob, type LayoutImage } from '../layout.ts';
import { canonicalName, parseReference } from '../reference.ts';
import { encodeSeekTable, largestFrameBytes, type Frame } from './seek-table.ts';
import { ustarEnd, ustarHeader, ustarPadding } from './ustar.ts';

export interface ArchiveOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** Level 9: about a sixth smaller than the default 3 on Debian layers, and still faster than a slow card is read. */
const zstdOptions = {
  params: { [constants.ZSTD_c_compressionLevel]: 9, [constants.ZSTD_c_checksumFlag]: 1 },
};

const blockBytes = 256 * 1024;

/**
 * Writes one image as one file that is at once a docker-archive (`manifest.json`), an OCI layout (`index.json`) and a
 * seekable zstd file: a frame with the small documents, then the layers, each in frames of its own, uncompressed inside
 * (blob digest = diffID), then the end of the tar. Any selection of layers is therefore a concatenation of byte ranges
 * of this file, and still an archive. The same image and reference give the same bytes.
 * @throws ShipError E_LAYER_DIGEST when a layer's content is not what the config's diffIDs say
 */
export async function writeArchive(
  image: LayoutImage,
  reference: string,
  target: string,
  options: ArchiveOptions = {},
): Promise<void> {
  const layers = await measureLayers(image);
  const totalBytes = layers.reduce((sum, layer) => sum + layer.size, 0);
  let doneBytes = 0;
  const file = await open(target, 'w');
  try {
    const frames = await writeFrames(file, headEntries(image, reference, layers), options);
    const written = new Set<Digest>();
    for (const [position, layer] of layers.entries()) {
      if (written.has(layer.digest)) continue;
      written.add(layer.digest);
      const content = verified(openLayer(image, position), layer, (bytes) => {
        doneBytes += bytes;
        options.onProgress?.(doneBytes, totalBytes);
      });
      frames.push(...(await writeFrames(file, entry(blobPath(layer.digest), layer.size, content), options)));
    }
    frames.push(...(await writeFrames(file, [ustarEnd], options)));
    await file.write(encodeSeekTable(frames));
  } finally {
    await file.close();
  }
}

/** Descriptors of the layers as the archive holds them: uncompressed. */
async function measureLayers(image: LayoutImage): Promise<Descriptor[]> {
  const { layers } = image.manifest;
  const diffIds = image.config.rootfs.diff_ids;
  if (layers.length !== diffIds.length) {
    throw layerError(image, `the manifest has ${layers.length} layers, the config ${diffIds.length} diffIDs`);
  }
  const measured: Descriptor[] = [];
  for (const [position, digest] of diffIds.entries()) {
    const stored = layers[position];
    let size = stored?.digest === digest ? stored.size : 0;
    // A compressed layer's real size is told by nothing in the layout.
    if (stored?.digest !== digest) for await (const chunk of openLayer(image, position)) size += (chunk as Buffer).length;
    measured.push({ mediaType: MediaType.layer, digest, size });
  }
  return measured;
}

function openLayer(image: LayoutImage, position: number): Readable {
  const layer = image.manifest.layers[position];
  if (!layer) throw new RangeError(`no layer ${position}`);
  const blob = openBlob(image.directory, layer.digest);
  const decompressor =
    layer.mediaType === MediaType.layerGzip || layer.mediaType === MediaType.dockerLayerGzip
      ? createGunzip()
      : layer.mediaType === MediaType.layerZstd
        ? createZstdDecompress()
        : undefined;
  if (!decompressor) return blob;
  blob.on('error', (error) => decompressor.destroy(error));
  return blob.pipe(decompressor);
}

function* headEntries(image: LayoutImage, reference: string, layers: readonly Descriptor[]): Iterable<Buffer> {
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config: { mediaType: MediaType.config, digest: image.configDigest, size: image.configBytes.length },
    layers,
  };
  const manifestBytes = Buffer.from(JSON.stringify(manifest));
  const index = {
    schemaVersion: 2,
    mediaType: MediaType.index,
    manifests: [
      {
        mediaType: MediaType.manifest,
        digest: digestOf(manifestBytes),
        size: manifestBytes.length,
        // The first names the image in containerd's store, the second is the OCI layout's own.
        annotations: {
          'io.containerd.image.name': canonicalName(reference),
          'org.opencontainers.image.ref.name': parseReference(reference)?.tag ?? 'latest',
        },
        platform: image.platform,
      },
    ],
  };
  const dockerManifest = [
    {
      Config: blobPath(image.configDigest),
      RepoTags: [reference],
      Layers: layers.map(({ digest }) => blobPath(digest)),
    },
  ];
  yield* smallEntry('oci-layout', Buffer.from(layoutMarker));
  yield* smallEntry('index.json', Buffer.from(JSON.stringify(index)));
  yield* smallEntry('manifest.json', Buffer.from(JSON.stringify(dockerManifest)));
  yield* smallEntry(blobPath(digestOf(manifestBytes)), manifestBytes);
  yield* smallEntry(blobPath(image.configDigest), image.configBytes);
}

function* smallEntry(name: string, content: Buffer): Iterable<Buffer> {
  yield ustarHeader(name, content.length);
  yield content;
  yield ustarPadding(content.length);
}

async function* entry(name: string, sizeBytes: number, content: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  yield ustarHeader(name, sizeBytes);
  yield* content;
  yield ustarPadding(sizeBytes);
}

async function* verified(content: Readable, layer: Descriptor, onBytes: (bytes: number) => void): AsyncIterable<Buffer> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of content as AsyncIterable<Buffer>) {
    hash.update(chunk);
    size += chunk.length;
    onBytes(chunk.length);
    yield chunk;
  }
  const actual: Digest = `sha256:${hash.digest('hex')}`;
  if (actual !== layer.digest || size !== layer.size) {
    throw new ShipError({
      code: 'E_LAYER_DIGEST',
      message: `The layer ${layer.digest} of ${layer.size} bytes has the content of ${actual} with ${size} bytes`,
      remedy: 'Delete the build output and build again.',
    });
  }
}

/** Compresses into one zstd frame, or several where one would grow beyond what the seek table can say. */
async function writeFrames(
  file: FileHandle,
  chunks: Iterable<Buffer> | AsyncIterable<Buffer>,
  options: ArchiveOptions,
): Promise<Frame[]> {
  const source = inBlocks(chunks);
  const frames: Frame[] = [];
  let next = await source.next();
  while (!next.done) {
    let decompressedBytes = 0;
    let compressedBytes = 0;
    await pipeline(
      async function* () {
        while (!next.done && decompressedBytes < largestFrameBytes) {
          decompressedBytes += next.value.length;
          yield next.value;
          next = await source.next();
        }
      },
      createZstdCompress(zstdOptions),
      async (compressed: AsyncIterable<Buffer>) => {
        for await (const chunk of compressed) {
          await file.write(chunk);
          compressedBytes += chunk.length;
        }
      },
      ...(options.signal ? [{ signal: options.signal }] : []),
    );
    frames.push({ compressedBytes, decompressedBytes });
  }
  return frames;
}

/** Fixed blocks, because zstd's output depends on how its input is cut (seen with Node 24.21 below 64 KiB). */
async function* inBlocks(chunks: Iterable<Buffer> | AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  let block = Buffer.allocUnsafe(blockBytes);
  let filled = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(block, filled, at);
      at += copied;
      filled += copied;
      if (filled === blockBytes) {
        yield block;
        block = Buffer.allocUnsafe(blockBytes);
        filled = 0;
      }
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}

function layerError(image: LayoutImage, what: string): ShipError {
  return new ShipError({
    code: 'E_LAYOUT',
    message: `The image ${image.manifestDigest} is damaged: ${what}`,
    place: { file: image.directory },
    remedy: 'Delete that folder and build again.',
  });
}
