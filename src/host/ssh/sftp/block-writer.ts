import type { SFTPWrapper } from 'ssh2';
import type { Session } from '../session.ts';
import { isMissingExtension, request } from './channel.ts';
import type { TokenBucket } from './token-bucket.ts';

/** A file of the host that is open for writing. */
export interface RemoteHandle {
  readonly session: Session;
  readonly sftp: SFTPWrapper;
  readonly handle: Buffer;
}

export interface Block {
  /** Valid until the next block is asked for. */
  readonly bytes: Buffer;
  /** Where in the file it belongs. */
  readonly position: number;
}

export interface WriteOptions {
  readonly pace?: TokenBucket | undefined;
  /** Called when the host has taken the block, with where it stands in the file. */
  readonly onAcknowledged?: (position: number, length: number) => void;
}

/** Larger writes are broken by some servers, and gain nothing on slow links. */
export const blockBytes = 32 * 1024;
/** Together 2 MiB: OpenSSH's channel window, so more would only wait in memory. */
const mostInFlight = 64;

/**
 * Writes blocks with many requests in flight.
 * @throws ShipError E_CONNECTION_LOST, E_INTERRUPTED; else what `blocks` or ssh2 throws, with the SFTP status as `code`
 */
export async function writeBlocks(target: RemoteHandle, blocks: AsyncIterable<Block>, options: WriteOptions): Promise<void> {
  const { session, sftp, handle } = target;
  let inFlight = 0;
  let failure: Error | undefined;
  let wake = () => {};
  const stopped = new AbortController();
  const waitUntil = async (condition: () => boolean) => {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };

  const write = async () => {
    for await (const { bytes, position } of blocks) {
      await options.pace?.take(bytes.length, stopped.signal);
      await waitUntil(() => inFlight < mostInFlight || failure !== undefined);
      if (failure) throw failure;
      const { length } = bytes;
      inFlight++;
      // ssh2 copies the block before it returns.
      sftp.write(handle, bytes, 0, length, position, (error) => {
        inFlight--;
        if (error) failure ??= error;
        else options.onAcknowledged?.(position, length);
        wake();
      });
    }
    await waitUntil(() => inFlight === 0 || failure !== undefined);
    if (failure) throw failure;
  };
  try {
    await session.guard(write);
  } catch (error) {
    failure ??= error instanceof Error ? error : new Error(String(error)); // ends `write`, too
    stopped.abort();
    wake();
    throw error;
  }
}

/** Blocks of the same size, but for the last one. A block is valid until the next one is asked for. */
export async function* inBlocks(chunks: AsyncIterable<Uint8Array>, size = blockBytes): AsyncGenerator<Buffer> {
  const collected = Buffer.allocUnsafe(size);
  let filled = 0;
  for await (const chunk of chunks) {
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    while (rest.length > 0) {
      if (filled === 0 && rest.length >= size) {
        yield rest.subarray(0, size);
        rest = rest.subarray(size);
        continue;
      }
      const taken = rest.copy(collected, filled);
      rest = rest.subarray(taken);
      filled += taken;
      if (filled === size) {
        yield collected;
        filled = 0;
      }
    }
  }
  if (filled > 0) yield collected.subarray(0, filled);
}

/** fsync@openssh.com, where the server has it. */
export async function flush(sftp: SFTPWrapper, handle: Buffer): Promise<void> {
  try {
    await request<unknown>((callback) => sftp.ext_openssh_fsync(handle, callback));
  } catch (error) {
    if (!isMissingExtension(error)) throw error;
  }
}
