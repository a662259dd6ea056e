import { createHash } from 'node:crypto';
import type { Header } from 'tar-stream';
import type { Digest } from '../../oci/digest.ts';
import type { EntrySink, LayerEntry } from '../image-layers.ts';

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

/** Learns the regular files of an image that `wanted` takes during a walk through its layers. */
export class ImageTree {
  readonly #tree = new Tree();
  readonly #wanted: (path: string, sizeBytes: number) => boolean;

  constructor(wanted: (path: string, sizeBytes: number) => boolean) {
    this.#wanted = wanted;
  }

  readonly visit = ({ path, header, layer, position }: LayerEntry): EntrySink | undefined => {
    const { type, size, mode } = header;
    takeAway(this.#tree, path, type, layer);
    if (type !== 'file' || isSparse(header) || !this.#wanted(path, size)) return undefined;
    const hash = createHash('sha256');
    return {
      write: (chunk) => hash.update(chunk),
      end: () => this.#tree.add({ path, sizeBytes: size, digest: `sha256:${hash.digest('hex')}`, executable: (mode & 0o111) !== 0, layer, position }),
    };
  };

  /** The last layer that has a path wins, and a layer can take away what is below it (image-spec, layer.md, Whiteouts). */
  files(): readonly ImageFile[] {
    return [...this.#tree.files.values()];
  }
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
