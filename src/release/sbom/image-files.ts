import { damagedArchive, type Archive } from '../../oci/archive/read-archive.ts';
import type { EntrySink, LayerEntry } from '../image-layers.ts';

/** A full desktop's package database is 10 MiB. */
const fileLimitBytes = 64 * 1024 * 1024;

interface FoundFile {
  readonly content: Buffer;
  readonly layer: number;
}

/**
 * Gathers the content of some files during a walk through an image's layers, as a container would see them: the last layer
 * that has one wins, and a layer can take away what is below it (image-spec, layer.md, Whiteouts).
 */
export class ImageFiles {
  readonly #archive: Archive;
  readonly #paths: readonly string[];
  readonly #found = new Map<string, FoundFile>();

  /** @param paths without a leading slash */
  constructor(archive: Archive, paths: readonly string[]) {
    this.#archive = archive;
    this.#paths = paths;
  }

  /** @throws ShipError E_ARCHIVE_DAMAGED when a file is too large to be what it should */
  readonly visit = ({ path, header: { type }, layer }: LayerEntry): EntrySink | undefined => {
    for (const hidden of hiddenBy(path, type === 'directory', this.#paths)) {
      if ((this.#found.get(hidden)?.layer ?? layer) < layer) this.#found.delete(hidden);
    }
    return this.#paths.includes(path) && type === 'file' ? this.#collect(path, layer) : undefined;
  };

  contents(): ReadonlyMap<string, Buffer> {
    return new Map([...this.#found].map(([path, { content }]) => [path, content]));
  }

  #collect(path: string, layer: number): EntrySink {
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    return {
      write: (chunk) => {
        sizeBytes += chunk.length;
        if (sizeBytes > fileLimitBytes) throw damagedArchive(this.#archive.file, `its ${path} has more than ${fileLimitBytes} bytes`);
        chunks.push(chunk);
      },
      end: () => this.#found.set(path, { content: Buffer.concat(chunks), layer }),
    };
  }
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
