import http from 'node:http';
import { Readable, type Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { AcceptConnection, RejectConnection, TcpConnectionDetails } from 'ssh2';
import { ExitStatus, ShipError } from '../../../errors.ts';
import type { Session } from '../session.ts';

/** A request that came back through the tunnel. */
export interface TunnelRequest {
  readonly method: string;
  /** As sent, with the query: `/v2/`. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

export interface TunnelAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  /** Left out of answers to HEAD. */
  readonly body?: Buffer | AsyncIterable<Buffer>;
}

export type TunnelHandler = (request: TunnelRequest) => TunnelAnswer;

/** An HTTP server of this side that is reached on a port of the host's own loopback address. */
export interface TunnelServer {
  readonly port: number;
  /** Ends it, and every request under way. Twice is fine. */
  close(): Promise<void>;
}

const loopback = '127.0.0.1';
/** An engine fetches three blobs at once; what is beyond this is somebody else's. */
const mostConnections = 16;
const headersTimeoutMs = 10_000;

/**
 * Serves HTTP on a free port of the host's 127.0.0.1, over the login that stands already (`ssh -R`, RFC 4254, 7.1). It ends
 * with `close`, with the login, or with this process, whichever comes first: sshd itself listens there, and nothing else.
 * @throws ShipError E_TUNNEL_REFUSED (exit status 3) when sshd forwards no ports, E_CONNECTION_LOST, E_INTERRUPTED
 */
export async function serveThroughTunnel(session: Session, handler: TunnelHandler): Promise<TunnelServer> {
  const { client } = session;
  const server = createServer(handler);
  const channels = new Set<Duplex>();
  const port = await session.guard(() => forwardIn(session));
  const onConnection = ({ destIP, destPort }: TcpConnectionDetails, accept: AcceptConnection, reject: RejectConnection) => {
    if (destPort !== port || destIP !== loopback) return; // another tunnel's
    if (channels.size >= mostConnections) {
      reject();
      return;
    }
    const channel = accept() as Duplex;
    channels.add(channel);
    channel.on('error', () => {}); // the other side hung up
    channel.once('close', () => channels.delete(channel));
    server.emit('connection', channel);
  };
  client.on('tcp connection', onConnection);
  let closing: Promise<void> | undefined;
  const close = async () => {
    client.off('tcp connection', onConnection);
    for (const channel of channels) channel.destroy();
    server.close();
    // Where the login has ended, so has the forwarding.
    if (!session.lost.aborted) await session.guard(() => new Promise<void>((resolve) => client.unforwardIn(loopback, port, () => resolve()))).catch(() => {});
  };
  session.lost.addEventListener('abort', () => void (closing ??= close()), { once: true });
  return { port, close: () => (closing ??= close()) };
}

async function forwardIn({ client, name }: Session): Promise<number> {
  return new Promise((resolve, reject) => {
    client.forwardIn(loopback, 0, (error, port) => {
      if (error) reject(refused(name, error));
      else resolve(port);
    });
  });
}

function createServer(handler: TunnelHandler): http.Server {
  const server = http.createServer({ headersTimeout: headersTimeoutMs, maxHeaderSize: 8 * 1024 }, (request, response) => {
    const { method = '', url = '', headers } = request;
    request.resume();
    const { status, headers: answered, body } = handler({ method, path: url, headers });
    response.writeHead(status, answered);
    if (method === 'HEAD' || body === undefined) response.end();
    else if (body instanceof Buffer) response.end(body);
    else pipeline(Readable.from(body, { objectMode: false }), response).catch(() => response.destroy()); // a body that ends early is asked for again
  });
  server.maxHeadersCount = 64;
  // An engine tries TLS first; it must learn quickly that there is none.
  server.on('clientError', (_, socket) => socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'));
  return server;
}

function refused(host: string, cause: Error): ShipError {
  return new ShipError({
    code: 'E_TUNNEL_REFUSED',
    message: `The SSH server of ${host} forwards no ports back to this machine: ${cause.message}`,
    remedy: 'Use --transport sftp, which needs no forwarding; or set `AllowTcpForwarding remote` (or yes) in sshd_config there, and look for DisableForwarding, PermitListen and `restrict` in authorized_keys.',
    exitStatus: ExitStatus.preflight,
    cause,
  });
}
