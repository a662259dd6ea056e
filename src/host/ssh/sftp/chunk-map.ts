/** What is remembered as a whole: small enough to lose, large enough that the map of a big archive stays a few KiB. */
export const chunkBytes = 1024 * 1024;

const missing = 0x30;
const there = 0x31;

/**
 * Which chunks of a file the host has on its disk: a `0` or `1` for each. Bytes and not bits, so that marking one chunk
 * touches no other one's mark, whatever a power cut does to the write.
 */
export class ChunkMap {
  readonly sizeBytes: number;
  /** Nothing is there, or nothing that the map is good for. */
  readonly isFresh: boolean;
  /** An earlier attempt left its file: to record often costs less than to send again. */
  readonly wasCut: boolean;
  readonly #marks: Buffer;
  /** Acknowledged bytes of chunks that are not complete yet. */
  readonly #arrived = new Map<number, number>();

  /**
   * @param content what was found of an earlier map
   * @param partialBytes the length of the file that it speaks of, if there is one; a shorter one than it says makes it worthless
   */
  constructor(sizeBytes: number, content?: Buffer, partialBytes?: number) {
    this.sizeBytes = sizeBytes;
    this.wasCut = partialBytes !== undefined;
    const count = Math.ceil(sizeBytes / chunkBytes);
    const isWhole = content?.length === count && content.every((mark) => mark === missing || mark === there);
    const end = isWhole ? this.#endOf(content.lastIndexOf(there)) : 0;
    this.isFresh = !isWhole || end === 0 || end > (partialBytes ?? 0);
    this.#marks = isWhole && !this.isFresh ? Buffer.from(content) : Buffer.alloc(count, missing);
  }

  /** As it stands in the host's file. */
  get content(): Buffer {
    return this.#marks;
  }

  get doneBytes(): number {
    return [...this.#marks.keys()].reduce((sum, chunk) => sum + (this.#marks[chunk] === there ? this.#lengthOf(chunk) : 0), 0);
  }

  get lastChunk(): number {
    return this.#marks.length - 1;
  }

  /** The bytes that are to be sent, first to last; `end` is exclusive. */
  missing(): { readonly start: number; readonly end: number }[] {
    const runs: { start: number; end: number }[] = [];
    for (const [chunk, mark] of this.#marks.entries()) {
      if (mark === there) continue;
      const start = chunk * chunkBytes;
      const last = runs.at(-1);
      if (last?.end === start) last.end = this.#endOf(chunk);
      else runs.push({ start, end: this.#endOf(chunk) });
    }
    return runs;
  }

  /** Counts a block, which lies within one chunk; the number of the chunk when that completes it. */
  acknowledge(position: number, length: number): number | undefined {
    const chunk = Math.floor(position / chunkBytes);
    const arrived = (this.#arrived.get(chunk) ?? 0) + length;
    this.#arrived.set(chunk, arrived);
    if (arrived < this.#lengthOf(chunk)) return undefined;
    this.#arrived.delete(chunk);
    return chunk;
  }

  /** Marks chunks as there; the part of the content that changes by it. */
  mark(chunks: readonly number[]): { readonly position: number; readonly bytes: Buffer } {
    for (const chunk of chunks) this.#marks[chunk] = there;
    const position = Math.min(...chunks);
    return { position, bytes: this.#marks.subarray(position, Math.max(...chunks) + 1) };
  }

  #lengthOf(chunk: number): number {
    return this.#endOf(chunk) - chunk * chunkBytes;
  }

  #endOf(chunk: number): number {
    return Math.min((chunk + 1) * chunkBytes, this.sizeBytes);
  }
}
