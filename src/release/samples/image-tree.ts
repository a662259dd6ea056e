import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { ShipError } from '../../errors.ts';
import type { Archive, ArchiveLayer } from '../../oci/archive/read-archive.ts';
import type { Digest } from '../../oci/digest.ts';
import { damagedArchive, layerContent } from '../sbom/image-files.ts';

/** A regular file of an image, as a container sees it. */
export interface ImageFile {
  /** Without a leading slash. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly digest: Digest;
  readonly executable: boolean;
  /** Number of its layer from the bottom, 0 first. */
  readonly layer: number;
  /** Its place in the layer's tar: an engine writes them in this order. */
  readonly position: number;
}

/**
 * The regular files of an image that `wanted` takes: the last layer that has a path wins, and a layer can take away what
 * is below it (image-spec, layer.md, Whiteouts). Layers are streamed, one after another.
 * @throws ShipError E_ARCHIVE_DAMAGED when a layer cannot be read
 */
export async function listImageFiles(
  archive: Archive,
  wanted: (path: string, sizeBytes: number) => boolean,
  signal?: AbortSignal,
): Promise<ImageFile[]> {
  const layers = new Map(archive.layers.map((layer) => [layer.diffId, layer]));
  const tree = new Tree();
  for (const [number, diffId] of archive.diffIds.entries()) {
    const layer = layers.get(diffId);
    if (!layer) throw damagedArchive(archive, `it has no layer ${diffId}`);
    await readLayer(archive, layer, number, { tree, wanted, ...(signal ? { signal } : {}) });
  }
  return [...tree.files.values()];
}

class Tree {
  readonly files = new Map<string, ImageFile>();
  /** Folders that hold a file of `files`, or did: only below these is there anything to remove. */
  readonly #folders = new Set<string>();

  add(file: ImageFile): void {
    this.files.set(file.path, file);
    for (let slash = file.path.lastIndexOf('/'); slash > 0; slash = file.path.lastIndexOf('/', slash - 1)) {
      this.#folders.add(file.path.slice(0, slash));
    }
  }

  /** A path and what is below it; with `belowLayer` only what lower layers have there. */
  remove(path: string, belowLayer = Infinity): void {
    if ((this.files.get(path)?.layer ?? Infinity) < belowLayer) this.files.delete(path);
    if (path !== '' && !this.#folders.has(path)) return;
    const folder = path === '' ? '' : `${path}/`;
    for (const [name, { layer }] of this.files) if (layer < belowLayer && name.startsWith(folder)) this.files.delete(name);
  }
}

interface Reading {
  readonly tree: Tree;
  readonly wanted: (path: string, sizeBytes: number) => boolean;
  readonly signal?: AbortSignal;
}

async function readLayer(archive: Archive, layer: ArchiveLayer, number: number, { tree, wanted, signal }: Reading): Promise<void> {
  const entries = extract();
  let position = 0;
  const reading = (async () => {
    for await (const entry of entries) {
      const { name, type, size, mode } = entry.header;
      const path = name.replace(/^(\.?\/)+/, '').replace(/\/+$/, '');
      position += 1;
      takeAway(tree, path, type, number);
      if (type === 'file' && !isSparse(entry.header) && wanted(path, size)) {
        const hash = createHash('sha256');
        for await (const chunk of entry as AsyncIterable<Buffer>) hash.update(chunk);
        tree.add({ path, sizeBytes: size, digest: `sha256:${hash.digest('hex')}`, executable: (mode & 0o111) !== 0, layer: number, position });
      } else {
        entry.resume();
      }
    }
  })();
  try {
    await Promise.all([pipeline(layerContent(archive.file, layer), entries, { ...(signal ? { signal } : {}) }), reading]);
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof ShipError ? error : damagedArchive(archive, `its layer ${layer.diffId} is not a tar that can be read`, error);
  }
}

/** What an entry hides: by whiteout, or because something else stands there now. */
function takeAway(tree: Tree, path: string, type: Header['type'], layer: number): void {
  const slash = path.lastIndexOf('/') + 1;
  const name = path.slice(slash);
  if (name === '.wh..wh..opq') tree.remove(path.slice(0, Math.max(0, slash - 1)), layer);
  else if (name.startsWith('.wh.')) tree.remove(path.slice(0, slash) + name.slice('.wh.'.length), layer);
  else if (type === 'directory') tree.files.delete(path);
  else tree.remove(path);
}

/** Its size in the header is not the file's. */
function isSparse({ pax }: Header): boolean {
  return Object.keys(pax ?? {}).some((key) => key.startsWith('GNU.sparse'));
}
