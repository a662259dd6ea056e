import type { Context } from '../context.ts';
import { ShipError } from '../errors.ts';
import { downloadError, withHttp } from './http-client.ts';

/** How long a small document may keep us waiting. */
const idleTimeoutMs = 15_000;

/**
 * A small document as a whole; undefined where the server has none (404, 410).
 * @throws ShipError E_DOWNLOAD (no answer, another status, more than `maxBytes`), E_INTERRUPTED
 */
export async function fetchDocument(context: Context, url: string, maxBytes: number): Promise<Buffer | undefined> {
  return withHttp(context, idleTimeoutMs, async (get) => {
    const { statusCode, body } = await get(url, { 'accept-encoding': 'identity' });
    if (statusCode !== 200) {
      await body.dump();
      if (statusCode === 404 || statusCode === 410) return undefined;
      throw downloadError(url, `the server answered ${statusCode}`);
    }
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > maxBytes) throw downloadError(url, `it is larger than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }).catch((error: unknown) => {
    if (error instanceof ShipError) throw error;
    throw downloadError(url, error instanceof Error ? error.message : String(error), error);
  });
}

/** What tells one content of an address from the next: its ETag, else its date; undefined where the server tells neither. */
export async function fetchValidator(context: Context, url: string): Promise<string | undefined> {
  try {
    return await withHttp(context, idleTimeoutMs, async (get) => {
      const { statusCode, headers, body } = await get(url, {}, 'HEAD');
      await body.dump();
      const validator = headers['etag'] ?? headers['last-modified'];
      return statusCode === 200 && typeof validator === 'string' ? validator : undefined;
    });
  } catch (error) {
    context.signal.throwIfAborted();
    if (error instanceof ShipError) throw error;
    return undefined; // some servers know no HEAD; the download itself tells what is wrong
  }
}
