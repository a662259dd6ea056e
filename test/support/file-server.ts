import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ServedFile {
  content: Buffer | string;
  /** Default: made of the content. `none`: neither ETag nor Last-Modified. */
  etag?: string;
  lastModified?: string;
  /** Default: true. */
  ranges?: boolean;
  /** Honours Range whatever If-Range says. */
  overlooksIfRange?: boolean;
  /** Ends the connection of the next answers soon after that many bytes of them. */
  cutAfter?: number[];
  /** The next answers have these statuses and no content. */
  failWith?: number[];
  redirectTo?: string;
  /** Without Content-Length. */
  chunked?: boolean;
}

export interface ServedRequest {
  readonly method: string;
  readonly path: string;
  readonly range?: string;
  status: number;
  sentBytes: number;
}

export interface FileServer {
  readonly url: string;
  readonly files: Map<string, ServedFile>;
  readonly requests: ServedRequest[];
  /** Of GETs of that path, in order. */
  gets(path: string): ServedRequest[];
  close(): void;
}

/** A web server on loopback that does to its files what networks and servers do, and counts what it sends. */
export async function startFileServer(): Promise<FileServer> {
  const files = new Map<string, ServedFile>();
  const requests: ServedRequest[] = [];
  const server = createServer((request, response) => {
    const [path = ''] = (request.url ?? '').split('?');
    const served: ServedRequest = { method: request.method ?? '', path, ...(request.headers.range ? { range: request.headers.range } : {}), status: 0, sentBytes: 0 };
    requests.push(served);
    const file = files.get(path);
    if (file) answer(file, request, response, served);
    else response.writeHead((served.status = 404)).end();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    files,
    requests,
    gets: (path) => requests.filter((request) => request.method === 'GET' && request.path === path),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function answer(file: ServedFile, request: IncomingMessage, response: ServerResponse, served: ServedRequest): void {
  const respond = (status: number, headers: Record<string, string | number> = {}): ServerResponse => response.writeHead((served.status = status), headers);
  const failure = file.failWith?.shift();
  if (failure) return void respond(failure).end();
  if (file.redirectTo) return void respond(302, { location: file.redirectTo }).end();
  const content = Buffer.from(file.content);
  const etag = file.etag ?? `"${createHash('sha256').update(content).digest('hex').slice(0, 16)}"`;
  const validators = { ...(etag === 'none' ? {} : { etag }), ...(file.lastModified ? { 'last-modified': file.lastModified } : {}) };
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? NaN);
  const condition = request.headers['if-range'];
  const isRange = file.ranges !== false && !Number.isNaN(start) && (file.overlooksIfRange === true || condition === undefined || condition === etag || condition === file.lastModified);
  if (isRange && start >= content.length) return void respond(416, { 'content-range': `bytes */${content.length}` }).end();
  const body = isRange ? content.subarray(start) : content;
  respond(isRange ? 206 : 200, {
    ...validators,
    ...(isRange ? { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` } : {}),
    ...(file.chunked ? {} : { 'content-length': body.length }),
  });
  if (request.method === 'HEAD') return void response.end();
  const cut = file.cutAfter?.shift();
  const sent = cut === undefined ? body : body.subarray(0, cut);
  served.sentBytes = sent.length;
  if (cut === undefined) response.end(sent);
  // What a client has not taken up by the time of the cut is lost to it.
  else response.write(sent, () => setTimeout(() => response.socket?.destroySoon(), 50));
}
