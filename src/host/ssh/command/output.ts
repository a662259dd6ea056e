import { StringDecoder } from 'node:string_decoder';

/** Starts the line of standard error with which a remote command tells its process id. */
export const processMarker = 'prose-ship-process';
/** Of both streams together; a command that prints more is ended. */
export const keptBytes = 16 * 1024 * 1024;

type StreamName = 'stdout' | 'stderr';

const processLine = new RegExp(`^${processMarker} (\\d+)$`);

/** Text and lines of both streams; takes the line with the process id out. */
export class OutputCollector {
  readonly processId: Promise<string>;
  #resolveProcessId: ((id: string) => void) | undefined;
  readonly #onLine: (line: string) => void;
  readonly #onTooMuch: () => void;
  readonly #text: Record<StreamName, string[]> = { stdout: [], stderr: [] };
  readonly #decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
  readonly #partial: Record<StreamName, string> = { stdout: '', stderr: '' };
  #bytes = 0;

  constructor(onLine: (line: string) => void, onTooMuch: () => void) {
    this.#onLine = onLine;
    this.#onTooMuch = onTooMuch;
    this.processId = new Promise((resolve) => {
      this.#resolveProcessId = resolve;
    });
  }

  get stdout(): string {
    return this.#text.stdout.join('').replace(/\r?\n$/, '');
  }

  get stderr(): string {
    return this.#text.stderr.join('').replace(/\r?\n$/, '');
  }

  add(stream: StreamName, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > keptBytes) {
      this.#onTooMuch();
      return;
    }
    this.#push(stream, this.#decoders[stream].write(chunk));
  }

  finish(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      this.#push(stream, this.#decoders[stream].end());
      if (this.#partial[stream] !== '') this.#push(stream, '', true);
    }
  }

  #push(stream: StreamName, text: string, last = false): void {
    const lines = (this.#partial[stream] + text).split('\n');
    this.#partial[stream] = last ? '' : (lines.pop() ?? '');
    for (const line of lines) {
      const id = this.#resolveProcessId && stream === 'stderr' ? processLine.exec(line)?.[1] : undefined;
      if (id !== undefined) {
        this.#resolveProcessId?.(id);
        this.#resolveProcessId = undefined;
        continue;
      }
      this.#text[stream].push(last ? line : `${line}\n`);
      this.#onLine(line.replace(/\r$/, ''));
    }
  }
}
