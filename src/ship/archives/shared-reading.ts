/** Content that can be read from anywhere. */
export interface Readable {
  read(offset: number): AsyncIterable<Uint8Array>;
}

/** What is kept for those that come behind: links of the same kind differ by less, and the page cache serves the others. */
const defaultWindowBytes = 16 * 1024 * 1024;

/**
 * Reads once for all that read the same content at the same time. Nobody waits for anybody: whoever falls behind by more
 * than the window, or begins outside it, goes on by itself.
 */
export class SharedReading implements Readable {
  readonly #source: Readable;
  readonly #windowBytes: number;
  /** The last bytes that were read, in their order; they end at `#end`. */
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #end = 0;
  #iterator: AsyncIterator<Uint8Array> | undefined;
  #isDone = false;
  #next: Promise<void> | undefined;
  #readers = 0;

  constructor(source: Readable, windowBytes = defaultWindowBytes) {
    this.#source = source;
    this.#windowBytes = windowBytes;
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  async *read(offset: number): AsyncGenerator<Uint8Array> {
    this.#readers += 1;
    try {
      let position = offset;
      this.#begin(position);
      for (;;) {
        const bytes = this.#find(position);
        if (bytes) {
          yield bytes;
          position += bytes.length;
          // It may have ended, or failed, for all others meanwhile.
          this.#begin(position);
        } else if (position !== this.#end) {
          yield* this.#source.read(position);
          return;
        } else if (this.#isDone) {
          return;
        } else {
          await (this.#next ??= this.#readNext());
        }
      }
    } finally {
      this.#readers -= 1;
      if (this.#readers === 0) this.#close();
    }
  }

  #begin(position: number): void {
    if (this.#iterator) return;
    this.#iterator = this.#source.read(position)[Symbol.asyncIterator]();
    this.#end = position;
  }

  #find(position: number): Uint8Array | undefined {
    let start = this.#end - this.#keptBytes;
    if (position < start) return undefined;
    for (const bytes of this.#kept) {
      if (position < start + bytes.length) return bytes.subarray(position - start);
      start += bytes.length;
    }
    return undefined;
  }

  async #readNext(): Promise<void> {
    const iterator = this.#iterator;
    try {
      const next = await iterator?.next();
      if (this.#iterator !== iterator) return;
      if (!next || next.done) {
        this.#isDone = true;
        return;
      }
      this.#kept.push(next.value);
      this.#keptBytes += next.value.length;
      this.#end += next.value.length;
      while (this.#keptBytes > this.#windowBytes) this.#keptBytes -= this.#kept.shift()?.length ?? 0;
    } catch (error) {
      // Whoever reads on begins anew.
      this.#close();
      throw error;
    } finally {
      this.#next = undefined;
    }
  }

  #close(): void {
    // Not awaited: it ends a reading of a file, and nobody wants its outcome.
    this.#iterator?.return?.().catch(() => {});
    this.#iterator = undefined;
    this.#kept = [];
    this.#keptBytes = 0;
    this.#isDone = false;
  }
}
