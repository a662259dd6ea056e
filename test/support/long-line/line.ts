import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Where the line leads to, and how much it carries each way. */
export interface LineEnd {
  readonly host: string;
  readonly port: number;
  readonly mbitPerSecond: number;
}

export interface LineOrder {
  readonly roundTripMs?: number;
}

export interface LineState {
  /** Of 127.0.0.1, where the line begins. */
  readonly port: number;
  /** Content of TCP, without headers. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** How often one side said something after something had arrived from the other one, in a chain: a count that a busy machine does not change. */
  readonly roundTrips: number;
}

/**
 * A long line to a TCP port, where the kernel has no netem: every byte takes half the round trip, each way, and as long as the
 * bandwidth says; what is under way does not hold up what follows. There is no loss and no slow start.
 */
export class Line implements AsyncDisposable {
  readonly port: number;
  readonly #worker: Worker;

  private constructor(worker: Worker, port: number) {
    this.#worker = worker;
    this.port = port;
  }

  static async to(end: LineEnd): Promise<Line> {
    const worker = new Worker(new URL('line-worker.ts', import.meta.url), { workerData: end });
    await once(worker, 'online');
    const { port } = await ask(worker, {});
    return new Line(worker, port);
  }

  async setRoundTrip(roundTripMs: number): Promise<void> {
    await ask(this.#worker, { roundTripMs });
  }

  async state(): Promise<LineState> {
    return ask(this.#worker, {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}

async function ask(worker: Worker, order: LineOrder): Promise<LineState> {
  const answered = once(worker, 'message');
  worker.postMessage(order);
  const [state] = (await answered) as [LineState];
  return state;
}
