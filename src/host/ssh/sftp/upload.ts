import type { SFTPWrapper, Stats } from 'ssh2';
import { ShipError } from '../../../errors.ts';
import type { Session } from '../session.ts';
import { isMissingExtension, request } from './channel.ts';

/** What is sent: a size that is known beforehand and the bytes as they come. */
export interface UploadSource {
  readonly sizeBytes: number;
  readonly chunks: AsyncIterable<Uint8Array>;
}

export interface UploadOptions {
  /** Permission bits of the new file. Default 0o600. */
  readonly mode?: number;
  /** Called as the host acknowledges, with the number of bytes that it has. */
  readonly onProgress?: (doneBytes: number) => void;
}

/** Larger writes are broken by some servers, and gain nothing on slow links. */
const blockBytes = 32 * 1024;
/** Together 2 MiB: OpenSSH's channel window, so more would only wait in memory. */
const mostInFlight = 64;

/**
 * Writes a new file with many requests in flight and flushes it to the host's disk. What it leaves on a failure is the
 * caller's to remove.
 * @throws ShipError E_UPLOAD_SIZE, E_CONNECTION_LOST, E_INTERRUPTED; else what ssh2 throws, with the SFTP status as `code`
 */
export async function uploadTo(
  session: Session,
  sftp: SFTPWrapper,
  source: UploadSource,
  file: string,
  options: UploadOptions,
): Promise<void> {
  const mode = options.mode ?? 0o600;
  const handle = await session.guard(() => request<Buffer>((callback) => sftp.open(file, 'wx', { mode }, callback)));
  try {
    await writeBlocks(session, sftp, handle, source, options.onProgress);
    await session.guard(() => request((callback) => sftp.fchmod(handle, mode, callback))); // the umask has taken bits away
    await session.guard(() => flush(sftp, handle));
    const { size } = await session.guard(() => request<Stats>((callback) => sftp.fstat(handle, callback)));
    if (size !== source.sizeBytes) throw wrongSize(file, source.sizeBytes, size);
  } finally {
    // Not awaited after a failure: requests are answered in their order, and a lost host does not answer.
    sftp.close(handle, () => {});
  }
}

async function writeBlocks(
  session: Session,
  sftp: SFTPWrapper,
  handle: Buffer,
  source: UploadSource,
  onProgress: UploadOptions['onProgress'],
): Promise<void> {
  let inFlight = 0;
  let sentBytes = 0;
  let doneBytes = 0;
  let failure: Error | undefined;
  let wake = () => {};
  const waitUntil = async (condition: () => boolean) => {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };

  const write = async () => {
    for await (const block of inBlocks(source.chunks)) {
      await waitUntil(() => inFlight < mostInFlight || failure !== undefined);
      if (failure) throw failure;
      const position = sentBytes;
      sentBytes += block.length;
      if (sentBytes > source.sizeBytes) throw wrongSize('The source', source.sizeBytes, sentBytes);
      inFlight++;
      // ssh2 copies the block before it returns.
      sftp.write(handle, block, 0, block.length, position, (error) => {
        inFlight--;
        if (error) failure ??= error;
        else onProgress?.((doneBytes += block.length));
        wake();
      });
    }
    await waitUntil(() => inFlight === 0 || failure !== undefined);
    if (failure) throw failure;
    if (sentBytes !== source.sizeBytes) throw wrongSize('The source', source.sizeBytes, sentBytes);
  };
  try {
    await session.guard(write);
  } catch (error) {
    failure ??= error instanceof Error ? error : new Error(String(error)); // ends `write`, too
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
async function flush(sftp: SFTPWrapper, handle: Buffer): Promise<void> {
  try {
    await request<unknown>((callback) => sftp.ext_openssh_fsync(handle, callback));
  } catch (error) {
    if (!isMissingExtension(error)) throw error;
  }
}

function wrongSize(what: string, expectedBytes: number, actualBytes: number): ShipError {
  return new ShipError({
    code: 'E_UPLOAD_SIZE',
    message: `${what} has ${actualBytes} bytes where ${expectedBytes} were announced`,
    remedy: 'The file changed while it was sent: run the same command again.',
  });
}
