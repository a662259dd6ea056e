import { createCipheriv, createHash } from 'node:crypto';
import type { ResumableSource } from '../../../src/host/ssh/connection.ts';

/** Content that repeats nowhere, is the same for the same seed, and can be read from anywhere; nothing of it is kept. */
export function sampleContent(sizeBytes: number, seed = 'a'): ResumableSource & { readonly givenBytes: () => number; readonly offsets: readonly number[] } {
  let givenBytes = 0;
  const offsets: number[] = [];
  // eslint-disable-next-line @typescript-eslint/require-await
  async function* read(offset: number): AsyncGenerator<Buffer> {
    offsets.push(offset);
    for (let at = offset; at < sizeBytes; ) {
      const block = Math.floor(at / blockBytes);
      const chunk = contentBlock(seed, block).subarray(at - block * blockBytes, Math.min(blockBytes, sizeBytes - block * blockBytes));
      givenBytes += chunk.length;
      at += chunk.length;
      yield chunk;
    }
  }
  const hash = createHash('sha256');
  for (let at = 0; at < sizeBytes; at += blockBytes) hash.update(contentBlock(seed, at / blockBytes).subarray(0, Math.min(blockBytes, sizeBytes - at)));
  return { sizeBytes, digest: `sha256:${hash.digest('hex')}`, read, givenBytes: () => givenBytes, offsets };
}

const blockBytes = 100_000;

function contentBlock(seed: string, number: number): Buffer {
  const key = createHash('sha256').update(`${seed} ${number}`).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(blockBytes));
}
