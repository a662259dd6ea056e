import { once } from 'node:events';
import net from 'node:net';

/** A link to a local port that can be cut, or go dead without a word, as a pulled cable does. */
export class Link implements AsyncDisposable {
  readonly port: number;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  #forwardedBytes = 0;
  #mute = false;
  readonly #joined = Promise.withResolvers<undefined>();

  private constructor(server: net.Server) {
    this.#server = server;
    this.port = (server.address() as net.AddressInfo).port;
  }

  static async to(port: number): Promise<Link> {
    const server = net.createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const link = new Link(server);
    server.on('connection', (near) => link.#join(near, net.connect(port, '127.0.0.1')));
    return link;
  }

  /** From the client to the server. */
  get forwardedBytes(): number {
    return this.#forwardedBytes;
  }

  /** The first connection is there. */
  async joined(): Promise<void> {
    await this.#joined.promise;
  }

  /** Ends every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Connections stay, but nothing comes through any more. */
  stall(): void {
    for (const socket of this.#sockets) {
      socket.removeAllListeners('data');
      socket.pause();
    }
  }

  /** From now on connections are taken, but nobody ever says a word. */
  refuseToSpeak(): void {
    this.#mute = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(near: net.Socket, far: net.Socket): void {
    this.#joined.resolve(undefined);
    for (const [from, to] of [[near, far], [far, near]] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      if (!this.#mute) from.on('data', (data) => {
        if (from === near) this.#forwardedBytes += data.length;
        if (!to.write(data)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
      });
      from.on('error', () => {});
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }
}
