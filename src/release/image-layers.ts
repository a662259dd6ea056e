import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { ShipError } from '../errors.ts';
import { damagedArchive, decompressFrames, type Archive, type ArchiveLayer } from '../oci/archive/read-archive.ts';

const tarBlockBytes = 512;

/** What a layer says about a path; whiteouts (image-spec, layer.md) are entries like others. */
export interface LayerEntry {
  /** Without a leading or trailing slash. */
  readonly path: string;
  readonly header: Header;
  /** Number of its layer from the bottom, 0 first. */
  readonly layer: number;
  /** Its place in the layer's tar, 1 first. */
  readonly position: number;
}

/** Takes the content of an entry, chunk by chunk. */
export interface EntrySink {
  write(chunk: Buffer): void;
  end(): void;
}

/** Sees every entry; gives a sink for those whose content it wants. */
export type LayerVisitor = (entry: LayerEntry) => EntrySink | undefined;

/**
 * Shows all visitors every entry of an image's layers, the lowest layer first, each layer in the order of its tar. Each
 * layer is streamed, and decompressed once for all visitors.
 * @throws ShipError E_ARCHIVE_DAMAGED when a layer is not there or cannot be read; whatever a sink throws as ShipError
 */
export async function walkLayers(archive: Archive, visitors: readonly LayerVisitor[], signal?: AbortSignal): Promise<void> {
  const layers = new Map(archive.layers.map((layer) => [layer.diffId, layer]));
  for (const [number, diffId] of archive.diffIds.entries()) {
    const layer = layers.get(diffId);
    if (!layer) throw damagedArchive(archive.file, `it has no layer ${diffId}`);
    const entries = extract();
    try {
      await Promise.all([
        pipeline(layerContent(archive.file, layer), entries, { ...(signal ? { signal } : {}) }),
        showEntries(entries, number, visitors),
      ]);
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof ShipError ? error : damagedArchive(archive.file, `its layer ${diffId} is not a tar that can be read`, error);
    }
  }
}

async function showEntries(entries: ReturnType<typeof extract>, layer: number, visitors: readonly LayerVisitor[]): Promise<void> {
  let position = 0;
  for await (const entry of entries) {
    const { header } = entry;
    position += 1;
    const shown = { path: header.name.replace(/^(\.?\/)+/, '').replace(/\/+$/, ''), header, layer, position };
    const sinks = visitors.flatMap((visit) => visit(shown) ?? []);
    if (sinks.length === 0) {
      entry.resume();
      continue;
    }
    for await (const chunk of entry as AsyncIterable<Buffer>) for (const sink of sinks) sink.write(chunk);
    for (const sink of sinks) sink.end();
  }
}

/** A layer stands in the archive as one tar entry: a header block, the content, padding. */
async function* layerContent(file: string, { frames, sizeBytes }: ArchiveLayer): AsyncGenerator<Buffer> {
  let at = -tarBlockBytes;
  for await (const chunk of decompressFrames(file, frames)) {
    const part = chunk.subarray(Math.max(0, -at), Math.max(0, sizeBytes - at));
    at += chunk.length;
    if (part.length > 0) yield part;
  }
}
