import { createGzip, createZstdCompress, constants } from 'node:zlib';
import { Readable, pipeline } from 'node:stream';
import type { TokenBucket, TunnelAnswer, TunnelRequest } from '../../host/ssh/connection.ts';
import { readImageDocuments, readLayer, type Archive } from '../../oci/archive/read-archive.ts';
import { MediaType } from '../../oci/descriptor.ts';
import { digestOf, isDigest, type Digest } from '../../oci/digest.ts';
import { parseRange } from './range.ts';

/** An image that is offered: its documents in memory (a few KiB), its layers in the archive. */
export interface RegistryImage {
  /** Below the registry's token: the component. */
  readonly name: string;
  readonly archive: Archive;
  readonly manifest: Buffer;
  readonly manifestDigest: Digest;
  readonly config: Buffer;
}

export interface RegistryOptions {
  /** First part of every repository's name; whoever does not know it finds nothing. */
  readonly token: string;
  readonly signal: AbortSignal;
  /** Slows the layers down; may be shared by several hosts. */
  readonly pace?: TokenBucket | undefined;
  /** Told whenever bytes of a layer were handed out, as they cross the link. */
  readonly onSent?: (bytes: number) => void;
  /** Told when a layer was asked for. */
  readonly onLayer?: (diffId: Digest) => void;
}

/** @throws ShipError E_ARCHIVE_DAMAGED */
export async function registryImage(name: string, archive: Archive): Promise<RegistryImage> {
  const { manifest, config } = await readImageDocuments(archive);
  return { name, archive, manifest, manifestDigest: digestOf(manifest), config };
}

/** What `docker pull` takes, on a host where the registry is on this port. */
export function pullReference({ name, manifestDigest }: RegistryImage, token: string, port: number): string {
  return `127.0.0.1:${port}/${token}/${name}@${manifestDigest}`;
}

/**
 * A registry that can only be read (OCI distribution-spec 1.1, "pull"): manifests and blobs by digest, nothing by tag, no
 * listing. Layers are uncompressed, so that their digests are diffIDs; the transfer is compressed where the client asks.
 */
export function createRegistry(images: readonly RegistryImage[], options: RegistryOptions): (request: TunnelRequest) => TunnelAnswer {
  return (request) => {
    const { method, path } = request;
    if (method !== 'GET' && method !== 'HEAD') return failure(405, 'UNSUPPORTED', { Allow: 'GET, HEAD' });
    if (path === '/v2/' || path === '/v2') return document(Buffer.from('{}'), 'application/json');
    const [, token, name, kind, digest = ''] = /^\/v2\/([^/]+)\/([^/]+)\/(manifests|blobs)\/([^/?]+)$/.exec(path) ?? [];
    const image = token === options.token ? images.find((one) => one.name === name) : undefined;
    if (!image) return failure(404, 'NAME_UNKNOWN');
    if (kind === 'manifests') return digest === image.manifestDigest ? document(image.manifest, MediaType.manifest, digest) : failure(404, 'MANIFEST_UNKNOWN');
    if (digest === image.archive.configDigest) return document(image.config, 'application/octet-stream', digest);
    const layer = isDigest(digest) ? image.archive.layers.find(({ diffId }) => diffId === digest) : undefined;
    return layer ? layerAnswer(image.archive, layer, request, options) : failure(404, 'BLOB_UNKNOWN');
  };
}

function layerAnswer(archive: Archive, { diffId, sizeBytes }: Archive['layers'][number], { method, headers }: TunnelRequest, options: RegistryOptions): TunnelAnswer {
  const common = { 'Content-Type': 'application/octet-stream', 'Docker-Content-Digest': diffId, 'Accept-Ranges': 'bytes', ETag: `"${diffId}"` };
  if (method === 'HEAD') return { status: 200, headers: { ...common, 'Content-Length': sizeBytes } };
  options.onLayer?.(diffId);
  const range = parseRange(single(headers['range']), sizeBytes);
  if (range === 'unsatisfiable') return { status: 416, headers: { 'Content-Range': `bytes */${sizeBytes}`, 'Content-Length': 0 } };
  if (range) {
    const length = range.last - range.first + 1;
    const body = paced(take(readLayer(archive, diffId, range.first), length), options);
    return { status: 206, headers: { ...common, 'Content-Length': length, 'Content-Range': `bytes ${range.first}-${range.last}/${sizeBytes}` }, body };
  }
  const encoding = chooseEncoding(single(headers['accept-encoding']));
  const content = readLayer(archive, diffId);
  if (encoding === 'identity') return { status: 200, headers: { ...common, 'Content-Length': sizeBytes }, body: paced(content, options) };
  return { status: 200, headers: { ...common, 'Content-Encoding': encoding, Vary: 'Accept-Encoding' }, body: paced(compress(content, encoding), options) };
}

const encodings = ['zstd', 'gzip'] as const;

/** The best that the client takes (RFC 9110, 12.5.3); nothing that is not named, or named with `q=0`. */
export function chooseEncoding(accepted: string | undefined): 'zstd' | 'gzip' | 'identity' {
  const named = (accepted ?? '').split(',').map((word) => word.trim().toLowerCase());
  return encodings.find((encoding) => named.some((word) => new RegExp(`^${encoding}(;\\s*q=(1(\\.0+)?|0?\\.0*[1-9]\\d*))?$`).test(word))) ?? 'identity';
}

function compress(content: AsyncIterable<Buffer>, encoding: 'zstd' | 'gzip'): AsyncIterable<Buffer> {
  const compressor = encoding === 'zstd' ? createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3 } }) : createGzip({ level: 4 });
  // Its error comes out of the compressor, which whoever reads it sees.
  return pipeline(Readable.from(content, { objectMode: false }), compressor, () => {}) as AsyncIterable<Buffer>;
}

async function* take(content: AsyncIterable<Buffer>, bytes: number): AsyncIterable<Buffer> {
  let left = bytes;
  for await (const chunk of content) {
    const part = chunk.subarray(0, left);
    left -= part.length;
    yield part;
    if (left <= 0) return;
  }
}

async function* paced(content: AsyncIterable<Buffer>, { pace, signal, onSent }: RegistryOptions): AsyncIterable<Buffer> {
  for await (const chunk of content) {
    signal.throwIfAborted();
    await pace?.take(chunk.length, signal);
    onSent?.(chunk.length);
    yield chunk;
  }
}

function document(content: Buffer, type: string, digest?: string): TunnelAnswer {
  const headers = { 'Content-Type': type, 'Content-Length': content.length, 'Docker-Distribution-API-Version': 'registry/2.0' };
  return { status: 200, headers: digest === undefined ? headers : { ...headers, 'Docker-Content-Digest': digest }, body: content };
}

function failure(status: number, code: string, headers: Record<string, string> = {}): TunnelAnswer {
  const body = Buffer.from(JSON.stringify({ errors: [{ code }] }));
  return { status, headers: { ...headers, 'Content-Type': 'application/json', 'Content-Length': body.length }, body };
}

function single(value: TunnelRequest['headers'][string]): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
