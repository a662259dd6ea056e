import { once } from 'node:events';
import net from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import type { LineEnd, LineOrder, LineState } from './line.ts';

/** Runs as a thread of its own, see line.ts: what the measured program computes must not hold the line up. */
if (!parentPort) throw new Error('line-worker.ts is a worker');
const port = parentPort;
const { host, port: farPort, mbitPerSecond } = workerData as LineEnd;

/** Of each direction: what waits to be put on the wire, as a router's buffer does. */
const mostWaitingMs = 20;
/** More than this the far end does not take at the moment. */
const mostUnread = 1 << 20;
/** Timers are as coarse as this. */
const timerMs = 0.6;

/** One direction of the line; all connections share it. A packet has left when all before it have, and arrives later. */
class Direction {
  readonly #bytesPerMs = (mbitPerSecond * 1e6) / 8 / 1000;
  #freeAt = 0;
  carriedBytes = 0;
  /** The round trips that lie behind the latest of what has arrived: this much had to be known before it was sent. */
  arrivedAfter = 0;

  /** When so many bytes have arrived. */
  send(bytes: number, delayMs: number): number {
    this.carriedBytes += bytes;
    this.#freeAt = Math.max(this.#freeAt, performance.now()) + bytes / this.#bytesPerMs;
    return this.#freeAt + delayMs;
  }

  get waitingMs(): number {
    return this.#freeAt - performance.now();
  }
}

const there = new Direction();
const back = new Direction();
let roundTripMs = 0;

function carry(from: net.Socket, to: net.Socket, direction: Direction, sentAfter: () => number): void {
  const queue: { readonly dueAt: number; readonly data: Buffer | undefined; readonly after: number }[] = [];
  let timer: NodeJS.Timeout | undefined;
  const deliver = () => {
    timer = undefined;
    for (let first = queue[0]; first; first = queue[0]) {
      const waitMs = first.dueAt - performance.now();
      if (waitMs > timerMs) {
        timer = setTimeout(deliver, waitMs - timerMs / 2);
        return;
      }
      queue.shift();
      if (to.destroyed) continue;
      direction.arrivedAfter = Math.max(direction.arrivedAfter, first.after);
      if (first.data) to.write(first.data);
      else to.end();
    }
  };
  const enqueue = (data: Buffer | undefined) => {
    queue.push({ dueAt: direction.send(data?.length ?? 0, roundTripMs / 2), data, after: sentAfter() });
    if (!timer) deliver();
  };
  const goOn = () => {
    const waitMs = Math.max(direction.waitingMs - mostWaitingMs / 2, to.writableLength > mostUnread ? 5 : 0);
    if (waitMs > timerMs && !to.destroyed) setTimeout(goOn, waitMs);
    else from.resume();
  };
  from.on('data', (data: Buffer) => {
    enqueue(data);
    if (direction.waitingMs > mostWaitingMs || to.writableLength > mostUnread) {
      from.pause();
      goOn();
    }
  });
  from.on('end', () => enqueue(undefined));
  from.on('error', () => to.destroy());
  from.on('close', (hadError) => {
    if (hadError) to.destroy();
  });
}

const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (near) => {
  near.on('error', () => {});
  // The handshake of TCP takes a round trip before anything is said.
  setTimeout(() => {
    const far = net.connect({ host, port: farPort, allowHalfOpen: true, noDelay: true });
    carry(near, far, there, () => back.arrivedAfter + 1);
    carry(far, near, back, () => there.arrivedAfter);
    near.resume();
  }, roundTripMs);
});

server.listen(0, '127.0.0.1');
await once(server, 'listening');
port.on('message', (order: LineOrder) => {
  if (order.roundTripMs !== undefined) ({ roundTripMs } = order);
  const state: LineState = { port: (server.address() as net.AddressInfo).port, sentBytes: there.carriedBytes, receivedBytes: back.carriedBytes, roundTrips: back.arrivedAfter };
  port.postMessage(state);
});
