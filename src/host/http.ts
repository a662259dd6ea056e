import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Context } from '../context.ts';
import { ShipError } from '../errors.ts';
import { writeAtomically } from './files.ts';
import { checksumError, downloadError, withHttp } from './http-client.ts';

export interface DownloadOptions {
  /** What the content must have, 64 lower-case hex digits. */
  readonly sha256: string;
  /** Total: absent where the server does not say. */
  readonly onProgress?: (doneBytes: number, totalBytes?: number) => void;
  /** Nothing received for this long ends the download. */
  readonly idleTimeoutMs?: number;
}

/**
 * Streams `url` to `target`, which comes to be only when the checksum is right. Proxies of the environment are used
 * (HTTP_PROXY, HTTPS_PROXY, NO_PROXY).
 * @throws ShipError E_DOWNLOAD (no answer, a status that is not 200, cut off), E_CHECKSUM (with both sums), E_INTERRUPTED
 */
export async function download(context: Context, url: string, target: string, options: DownloadOptions): Promise<void> {
  await withHttp(context, options.idleTimeoutMs, async (get) => {
    const response = await get(url);
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
  }).catch((error: unknown) => {
    if (error instanceof ShipError) throw error;
    throw downloadError(url, error instanceof Error ? error.message : String(error), error);
  });
}
