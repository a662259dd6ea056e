import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface LossyLinkOptions {
  /** Of every piece of data, each way. */
  readonly delayMs: number;
  /** One piece in so many comes late by as much as TCP takes to notice a loss. */
  readonly lossEvery: number;
  /** Each connection is reset after it has carried so much towards the far end. */
  readonly resetAfterBytes: number;
}

const retransmissionMs = 250;

/** A bad link to `host:port`: it delays, loses (as its ends see it: something comes late, and all behind it too) and resets. */
export class LossyLink implements AsyncDisposable {
  readonly port: number;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  readonly #options: LossyLinkOptions;
  #forwardedBytes = 0;
  #resets = 0;
  #pieces = 0;

  private constructor(server: net.Server, options: LossyLinkOptions) {
    this.#server = server;
    this.port = (server.address() as net.AddressInfo).port;
    this.#options = options;
  }

  static async to(address: { readonly host: string; readonly port: number }, options: LossyLinkOptions): Promise<LossyLink> {
    const server = net.createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const link = new LossyLink(server, options);
    server.on('connection', (near) => {
      const far = net.connect(address);
      link.#carry(near, far, { resets: true });
      link.#carry(far, near, { resets: false });
    });
    return link;
  }

  /** Towards the far end, over all connections. */
  get forwardedBytes(): number {
    return this.#forwardedBytes;
  }

  get resets(): number {
    return this.#resets;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #carry(from: net.Socket, to: net.Socket, { resets }: { resets: boolean }): void {
    const { delayMs, lossEvery, resetAfterBytes } = this.#options;
    let carriedBytes = 0;
    let order = Promise.resolve();
    let arriveAt = 0;
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on('error', () => {});
    from.on('close', () => {
      this.#sockets.delete(from);
      void order.then(() => to.destroy());
    });
    from.on('data', (data) => {
      this.#pieces += 1;
      const lostMs = this.#pieces % lossEvery === 0 ? retransmissionMs : 0;
      // Behind what was lost everything waits.
      arriveAt = Math.max(arriveAt, performance.now() + delayMs + lostMs);
      const dueAt = arriveAt;
      from.pause();
      order = order.then(async () => {
        const waitMs = dueAt - performance.now();
        from.resume();
        if (waitMs > 0) await delay(waitMs);
        carriedBytes += data.length;
        if (resets) this.#forwardedBytes += data.length;
        if (resets && carriedBytes > resetAfterBytes) {
          this.#resets += 1;
          from.resetAndDestroy();
          to.resetAndDestroy();
        } else if (!to.destroyed && !to.write(data)) {
          await Promise.race([once(to, 'drain'), once(to, 'close')]).catch(() => {});
        }
      });
    });
  }
}
