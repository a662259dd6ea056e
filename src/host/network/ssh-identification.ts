import net from 'node:net';
import type { Context } from '../../context.ts';
import { throwIfAborted } from '../ssh/transport.ts';

/** A server may say something before (RFC 4253, 4.2); more than this it does not say. */
const mostBytes = 8 * 1024;

/**
 * What the SSH server calls itself, `OpenSSH_9.2p1 Debian-2`; undefined where none answers in time. Nothing is sent.
 * @throws ShipError E_INTERRUPTED
 */
export async function readSshIdentification(context: Context, host: string, port: number, timeoutMs: number): Promise<string | undefined> {
  throwIfAborted(context);
  const socket = net.connect({ host, port, noDelay: true });
  const deadline = AbortSignal.any([context.signal, AbortSignal.timeout(timeoutMs)]);
  const onAbort = () => socket.destroy();
  deadline.addEventListener('abort', onAbort, { once: true });
  const chunks: Buffer[] = [];
  let found: string | undefined;
  try {
    await new Promise<void>((resolve) => {
      socket.on('data', (chunk) => {
        chunks.push(chunk);
        const said = Buffer.concat(chunks);
        found = parseSshIdentification(said.toString('latin1'));
        if (found !== undefined || said.length > mostBytes) socket.destroy();
      });
      socket.on('error', () => {}); // `close` follows
      socket.once('close', () => resolve());
    });
  } finally {
    deadline.removeEventListener('abort', onAbort);
  }
  throwIfAborted(context);
  return found;
}

/**
 * The software version and comments of the identification string `SSH-2.0-softwareversion SP comments CR LF`, in printable
 * ASCII; undefined until its line is whole (RFC 4253, 4.2: at most 255 characters, other lines may come before).
 */
export function parseSshIdentification(said: string): string | undefined {
  const line = /^SSH-(?:2\.0|1\.99)-([^\r\n]{1,246})\r?\n/m.exec(said)?.[1];
  const text = line?.replace(/[^\x20-\x7e]/g, '?').trim();
  return text === '' ? undefined : text;
}
