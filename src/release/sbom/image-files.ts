import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import { ShipError } from '../../errors.ts';
import { decompressFrames, type Archive, type ArchiveLayer } from '../../oci/archive/read-archive.ts';

const tarBlockBytes = 512;
/** A full desktop's package database is 10 MiB. */
const fileLimitBytes = 64 * 1024 * 1024;

/**
 * The content of these files of an image, as a container would see them: the last layer that has one wins, and a layer can
 * take away what is below it (image-spec, layer.md, Whiteouts). Layers are streamed, one after another.
 * @param paths without a leading slash
 * @throws ShipError E_ARCHIVE_DAMAGED when a layer cannot be read
 */
export async function readImageFiles(
  archive: Archive,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, Buffer>> {
  const layers = new Map(archive.layers.map((layer) => [layer.diffId, layer]));
  const files = new Map<string, Buffer>();
  for (const diffId of archive.diffIds) {
    const layer = layers.get(diffId);
    if (!layer) throw damagedArchive(archive, `it has no layer ${diffId}`);
    const change = await readLayer(archive, layer, paths, signal);
    for (const path of change.removed) files.delete(path);
    for (const [path, content] of change.added) files.set(path, content);
  }
  return files;
}

interface LayerChange {
  /** Of the layers below this one. */
  readonly removed: ReadonlySet<string>;
  readonly added: ReadonlyMap<string, Buffer>;
}

async function readLayer(archive: Archive, layer: ArchiveLayer, paths: readonly string[], signal?: AbortSignal): Promise<LayerChange> {
  const removed = new Set<string>();
  const added = new Map<string, Buffer>();
  const entries = extract();
  const reading = (async () => {
    for await (const entry of entries) {
      const { name, type } = entry.header;
      const path = name.replace(/^(\.?\/)+/, '').replace(/\/+$/, '');
      for (const wanted of hiddenBy(path, type === 'directory', paths)) removed.add(wanted);
      if (paths.includes(path) && type === 'file') added.set(path, await collect(archive, path, entry as AsyncIterable<Buffer>));
      else entry.resume();
    }
  })();
  try {
    await Promise.all([pipeline(layerContent(archive.file, layer), entries, { ...(signal ? { signal } : {}) }), reading]);
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof ShipError ? error : damagedArchive(archive, `its layer ${layer.diffId} is not a tar that can be read`, error);
  }
  return { removed, added };
}

/** Which of the wanted files of lower layers an entry takes away: by whiteout, or because it is no longer a folder. */
function hiddenBy(path: string, isDirectory: boolean, wanted: readonly string[]): readonly string[] {
  const slash = path.lastIndexOf('/') + 1;
  const folder = path.slice(0, slash);
  const name = path.slice(slash);
  if (name === '.wh..wh..opq') return wanted.filter((one) => one.startsWith(folder));
  if (isDirectory) return wanted.filter((one) => one === path);
  const target = name.startsWith('.wh.') ? folder + name.slice('.wh.'.length) : path;
  return wanted.filter((one) => one === target || one.startsWith(`${target}/`));
}

/** A layer stands in the archive as one tar entry: a header block, the content, padding. */
export async function* layerContent(file: string, { frames, sizeBytes }: ArchiveLayer): AsyncGenerator<Buffer> {
  let at = -tarBlockBytes;
  for await (const chunk of decompressFrames(file, frames)) {
    const part = chunk.subarray(Math.max(0, -at), Math.max(0, sizeBytes - at));
    at += chunk.length;
    if (part.length > 0) yield part;
  }
}

async function collect(archive: Archive, path: string, content: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of content) {
    size += chunk.length;
    if (size > fileLimitBytes) throw damagedArchive(archive, `its ${path} has more than ${fileLimitBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function damagedArchive({ file }: Archive, what: string, cause?: unknown): ShipError {
  return new ShipError({
    code: 'E_ARCHIVE_DAMAGED',
    message: `The image archive is damaged: ${what}`,
    place: { file },
    remedy: 'Build the release again, or copy it again from where it came.',
    cause,
  });
}
