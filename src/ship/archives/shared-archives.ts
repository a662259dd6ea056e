import type { ResumableSource } from '../../host/ssh/connection.ts';
import type { PartialArchive } from '../../oci/archive/partial-archive.ts';
import type { Archive } from '../../oci/archive/read-archive.ts';
import { archiveSource } from './archive-source.ts';
import { SharedReading } from './shared-reading.ts';

/** The archives of a release for all hosts that it is sent to: each part is hashed once, and read once for a wave. */
export class SharedArchives {
  readonly #sources = new Map<string, Promise<ResumableSource>>();

  source(archive: Archive, part: PartialArchive, compression: 'zstd' | 'gzip', signal: AbortSignal): Promise<ResumableSource> {
    const key = [archive.file, compression, ...part.diffIds].join('\n');
    const known = this.#sources.get(key);
    if (known) return known;
    const source = archiveSource(archive, part, compression, signal).then((one) => {
      const reading = new SharedReading(one);
      return { ...one, read: (offset: number) => reading.read(offset) };
    });
    this.#sources.set(key, source);
    // Whoever comes later may find the file readable again.
    source.catch(() => this.#sources.delete(key));
    return source;
  }
}
