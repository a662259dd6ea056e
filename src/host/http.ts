import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EnvHttpProxyAgent, interceptors, request } from 'undici';
import type { Context } from '../context.ts';
import { ShipError, interrupted } from '../errors.ts';
import { writeAtomically } from './files.ts';

export interface DownloadOptions {
  /** What the content must have, 64 lower-case hex digits. */
  readonly sha256: string;
  /** Total: absent where the server does not say. */
  readonly onProgress?: (doneBytes: number, totalBytes?: number) => void;
  /** Nothing received for this long ends the download. */
  readonly idleTimeoutMs?: number;
}

const maxRedirections = 5;
const defaultIdleTimeoutMs = 30_000;

/**
 * Streams `url` to `target`, which comes to be only when the checksum is right. Proxies of the environment are used
 * (HTTP_PROXY, HTTPS_PROXY, NO_PROXY).
 * @throws ShipError E_DOWNLOAD (no answer, a status that is not 200, cut off), E_CHECKSUM (with both sums), E_INTERRUPTED
 */
export async function download(context: Context, url: string, target: string, options: DownloadOptions): Promise<void> {
  const timeout = options.idleTimeoutMs ?? defaultIdleTimeoutMs;
  const agent = new EnvHttpProxyAgent({ ...proxies(context), connectTimeout: timeout, headersTimeout: timeout, bodyTimeout: timeout });
  try {
    const dispatcher = agent.compose(interceptors.redirect({ maxRedirections }));
    const response = await request(url, { dispatcher, signal: context.signal });
    if (response.statusCode !== 200) {
      await response.body.dump();
      throw downloadError(url, `the server answered ${response.statusCode}`);
    }
    const totalBytes = Number(response.headers['content-length']) || undefined;
    await writeAtomically(target, async (temporary) => {
      const hash = createHash('sha256');
      let doneBytes = 0;
      const meter = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          hash.update(chunk);
          doneBytes += chunk.length;
          options.onProgress?.(doneBytes, totalBytes);
          done(null, chunk);
        },
      });
      await pipeline(response.body, meter, createWriteStream(temporary), { signal: context.signal });
      const actual = hash.digest('hex');
      if (actual !== options.sha256) throw checksumError(url, options.sha256, actual);
    });
  } catch (error) {
    if (context.signal.aborted) throw context.signal.reason instanceof ShipError ? context.signal.reason : interrupted();
    if (error instanceof ShipError) throw error;
    throw downloadError(url, error instanceof Error ? error.message : String(error), error);
  } finally {
    await agent.destroy();
  }
}

function proxies({ environment }: Context): EnvHttpProxyAgent.Options {
  const value = (name: string): string | undefined => environment[name.toLowerCase()] ?? environment[name];
  const [httpProxy, httpsProxy, noProxy] = [value('HTTP_PROXY'), value('HTTPS_PROXY'), value('NO_PROXY')];
  return { ...(httpProxy ? { httpProxy } : {}), ...(httpsProxy ? { httpsProxy } : {}), ...(noProxy ? { noProxy } : {}) };
}

function downloadError(url: string, why: string, cause?: unknown): ShipError {
  return new ShipError({
    code: 'E_DOWNLOAD',
    message: `'${withoutPassword(url)}' cannot be downloaded: ${why}`,
    remedy: 'Check the address and the connection, then run the same command again.',
    cause,
  });
}

function checksumError(url: string, expected: string, actual: string): ShipError {
  return new ShipError({
    code: 'E_CHECKSUM',
    message: `'${withoutPassword(url)}' has the sha256 ${actual}, not ${expected}`,
    remedy: 'Someone changed the file, or the sum is wrong: compare it with what its publisher announces.',
  });
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//');
}
