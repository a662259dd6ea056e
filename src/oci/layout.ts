import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ShipError } from '../errors.ts';
import { MediaType, type Descriptor, type ImageConfig, type ImageIndex, type Manifest } from './descriptor.ts';
import { digestOf, encodedPart, isDigest, type Digest } from './digest.ts';
import { normalizePlatform, type Platform } from './platform.ts';

/** One image of an OCI layout directory (image-spec, image-layout.md), its small documents read. */
export interface LayoutImage {
  readonly directory: string;
  readonly platform: Platform;
  readonly manifestDigest: Digest;
  readonly manifest: Manifest;
  readonly configDigest: Digest;
  /** Byte for byte as stored: its digest is the image ID of the overlay2 store. */
  readonly configBytes: Buffer;
  readonly config: ImageConfig;
}

const indexTypes: readonly string[] = [MediaType.index, MediaType.dockerIndex];
/** BuildKit marks attestations so in an image index (BuildKit, attestation-storage.md). */
const attestation = 'vnd.docker.reference.type';

/**
 * Every image in a layout directory, nested indexes flattened, attestations left out.
 * @throws ShipError E_LAYOUT when a document is missing, not JSON, or does not have the digest that it is filed under
 */
export async function readLayout(directory: string): Promise<LayoutImage[]> {
  const index = parse(directory, 'index.json', await readDocument(directory, 'index.json')) as ImageIndex;
  return readImages(directory, index);
}

async function readImages(directory: string, index: ImageIndex): Promise<LayoutImage[]> {
  const images: LayoutImage[] = [];
  for (const descriptor of index.manifests) {
    if (descriptor.annotations?.[attestation]) continue;
    if (indexTypes.includes(descriptor.mediaType)) {
      images.push(...(await readImages(directory, (await readBlobDocument(directory, descriptor.digest)) as ImageIndex)));
    } else {
      images.push(await readImage(directory, descriptor));
    }
  }
  return images;
}

async function readImage(directory: string, descriptor: Descriptor): Promise<LayoutImage> {
  const manifest = (await readBlobDocument(directory, descriptor.digest)) as Manifest;
  const configBytes = await readVerifiedBlob(directory, manifest.config.digest);
  const config = parse(directory, manifest.config.digest, configBytes) as ImageConfig;
  return {
    directory,
    platform: normalizePlatform(config),
    manifestDigest: descriptor.digest,
    manifest,
    configDigest: manifest.config.digest,
    configBytes,
    config,
  };
}

/** Where a blob is filed: `blobs/sha256/HEX`, with forward slashes, as archives name it too. */
export function blobPath(digest: Digest): string {
  return `blobs/sha256/${encodedPart(digest)}`;
}

export function openBlob(directory: string, digest: Digest): Readable {
  return createReadStream(path.join(directory, blobPath(digest)));
}

/** Stores a stream under its digest; the returned descriptor's media type is the caller's. */
export async function writeBlob(directory: string, mediaType: string, content: Readable | Uint8Array): Promise<Descriptor> {
  const folder = path.join(directory, 'blobs/sha256');
  await mkdir(folder, { recursive: true });
  if (content instanceof Uint8Array) {
    const digest = digestOf(content);
    await writeFile(path.join(directory, blobPath(digest)), content);
    return { mediaType, digest, size: content.byteLength };
  }
  const temporary = path.join(folder, `.${process.pid}-${Math.random().toString(36).slice(2)}.tmp`);
  const hash = createHash('sha256');
  let size = 0;
  try {
    await pipeline(
      content,
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          hash.update(chunk);
          size += chunk.length;
          yield chunk;
        }
      },
      createWriteStream(temporary),
    );
    const digest: Digest = `sha256:${hash.digest('hex')}`;
    await rename(temporary, path.join(directory, blobPath(digest)));
    return { mediaType, digest, size };
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Writes `oci-layout` and an `index.json` of these manifests; a `tag` makes them one named image index. */
export async function writeLayout(directory: string, manifests: readonly Descriptor[], tag?: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const inner: ImageIndex = { schemaVersion: 2, mediaType: MediaType.index, manifests };
  let outer = inner;
  if (tag) {
    const descriptor = await writeBlob(directory, MediaType.index, Buffer.from(JSON.stringify(inner)));
    outer = { ...inner, manifests: [{ ...descriptor, annotations: { 'org.opencontainers.image.ref.name': tag } }] };
  }
  await writeFile(path.join(directory, 'oci-layout'), layoutMarker);
  await writeFile(path.join(directory, 'index.json'), JSON.stringify(outer));
}

/** The content of `oci-layout`. */
export const layoutMarker = '{"imageLayoutVersion":"1.0.0"}';

async function readBlobDocument(directory: string, digest: Digest): Promise<unknown> {
  return parse(directory, digest, await readVerifiedBlob(directory, digest));
}

async function readVerifiedBlob(directory: string, digest: Digest): Promise<Buffer> {
  if (!isDigest(digest)) throw layoutError(directory, `'${String(digest)}' is not a sha256 digest`);
  const content = await readDocument(directory, blobPath(digest));
  const actual = digestOf(content);
  if (actual !== digest) throw layoutError(directory, `the blob ${digest} has the digest ${actual}`);
  return content;
}

async function readDocument(directory: string, name: string): Promise<Buffer> {
  try {
    return await readFile(path.join(directory, name));
  } catch (error) {
    throw layoutError(directory, `'${name}' cannot be read`, error);
  }
}

function parse(directory: string, name: string, content: Buffer): unknown {
  try {
    return JSON.parse(content.toString('utf8'));
  } catch (error) {
    throw layoutError(directory, `'${name}' is not JSON`, error);
  }
}

function layoutError(directory: string, what: string, cause?: unknown): ShipError {
  return new ShipError({
    code: 'E_LAYOUT',
    message: `The OCI layout is damaged: ${what}`,
    place: { file: directory },
    remedy: 'Delete that folder and build again.',
    cause,
  });
}
