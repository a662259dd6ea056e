import type { RemoteHandle } from './block-writer.ts';
import { flush } from './block-writer.ts';
import { request } from './channel.ts';
import type { ChunkMap } from './chunk-map.ts';

/**
 * Chunks are recorded at least this often, in chunks and in time: what a cut may cost. While the host flushes, its SFTP
 * server writes nothing: more often would slow fast links down (every 8 MiB cost a fifth of loopback's).
 */
const mostUnrecorded = 16;
const unrecordedMs = 1_000;
/** At first more often, so that a link which breaks soon each time gets on. */
const firstUnrecorded = 1;

/** Keeps the map on the host: a chunk is marked only when the host has flushed it to its disk. */
export class ChunkRecorder {
  readonly #map: ChunkMap;
  readonly #partial: RemoteHandle;
  readonly #mapHandle: Buffer;
  #waiting: number[] = [];
  #allowed = firstUnrecorded;
  #recorded = 0;
  #recordedAtMs = performance.now();
  #recording = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;

  constructor(map: ChunkMap, partial: RemoteHandle, mapHandle: Buffer) {
    this.#map = map;
    this.#partial = partial;
    this.#mapHandle = mapHandle;
  }

  acknowledged(position: number, length: number): void {
    const chunk = this.#map.acknowledge(position, length);
    if (chunk === undefined) return;
    this.#waiting.push(chunk);
    // After the last one the whole gets its name: that says more than its map.
    if (chunk === this.#map.lastChunk) return;
    const isDue = this.#waiting.length >= this.#allowed || performance.now() - this.#recordedAtMs >= unrecordedMs;
    if (isDue) void this.record();
  }

  /** Records every complete chunk; never rejects, see `throwIfFailed`. */
  record(): Promise<void> {
    this.#recordedAtMs = performance.now();
    const next = this.#map.wasCut ? Math.floor(this.#recorded / 4) : 2 * this.#allowed;
    this.#allowed = Math.min(Math.max(next, firstUnrecorded), mostUnrecorded);
    this.#recording = this.#recording
      .then(() => this.#record())
      .catch((error: unknown) => {
        this.#failure ??= { error };
      });
    return this.#recording;
  }

  /** When nothing is being recorded any more; never rejects. */
  settled(): Promise<void> {
    return this.#recording;
  }

  /** @throws what ssh2 threw when the host could not flush or take the map */
  throwIfFailed(): void {
    if (this.#failure) throw this.#failure.error;
  }

  async #record(): Promise<void> {
    const chunks = this.#waiting;
    this.#waiting = [];
    this.#recorded += chunks.length;
    if (chunks.length === 0 || this.#failure) return;
    const { sftp, handle } = this.#partial;
    await flush(sftp, handle);
    const { position, bytes } = this.#map.mark(chunks);
    await request((callback) => sftp.write(this.#mapHandle, bytes, 0, bytes.length, position, callback));
  }
}
