import type { SFTPWrapper, Stats } from 'ssh2';
import { ShipError } from '../../../errors.ts';
import type { Session } from '../session.ts';
import { type Block, flush, inBlocks, writeBlocks } from './block-writer.ts';
import { request } from './channel.ts';

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
    let doneBytes = 0;
    const onAcknowledged = (_: number, length: number) => options.onProgress?.((doneBytes += length));
    await writeBlocks({ session, sftp, handle }, allBlocks(source), { onAcknowledged });
    await session.guard(() => request((callback) => sftp.fchmod(handle, mode, callback))); // the umask has taken bits away
    await session.guard(() => flush(sftp, handle));
    const { size } = await session.guard(() => request<Stats>((callback) => sftp.fstat(handle, callback)));
    if (size !== source.sizeBytes) throw wrongSize(file, source.sizeBytes, size);
  } finally {
    // Not awaited after a failure: requests are answered in their order, and a lost host does not answer.
    sftp.close(handle, () => {});
  }
}

/**
 * The same for content of one block, in two round trips: a server takes the requests for one file in their order
 * (draft-ietf-secsh-filexfer-02, section 6).
 */
export async function writeSmall(session: Session, sftp: SFTPWrapper, content: Buffer, file: string, options: UploadOptions & { readonly isProvenLater?: boolean }): Promise<void> {
  const mode = options.mode ?? 0o600;
  const handle = await session.guard(() => request<Buffer>((callback) => sftp.open(file, 'wx', { mode }, callback)));
  try {
    const steps = () => [
      ...(content.length > 0 ? [request((callback) => sftp.write(handle, content, 0, content.length, 0, callback))] : []),
      request((callback) => sftp.fchmod(handle, mode, callback)), // the umask has taken bits away
      ...(options.isProvenLater ? [] : [flush(sftp, handle)]),
      request<Stats>((callback) => sftp.fstat(handle, callback)).then(({ size }) => {
        if (size !== content.length) throw wrongSize(file, content.length, size);
      }),
    ];
    await session.guard(() => Promise.all(steps()));
  } finally {
    sftp.close(handle, () => {});
  }
}

async function* allBlocks({ chunks, sizeBytes }: UploadSource): AsyncGenerator<Block> {
  let position = 0;
  for await (const bytes of inBlocks(chunks)) {
    if (position + bytes.length > sizeBytes) throw wrongSize('The source', sizeBytes, position + bytes.length);
    yield { bytes, position };
    position += bytes.length;
  }
  if (position !== sizeBytes) throw wrongSize('The source', sizeBytes, position);
}

export function wrongSize(what: string, expectedBytes: number, actualBytes: number): ShipError {
  return new ShipError({
    code: 'E_UPLOAD_SIZE',
    message: `${what} has ${actualBytes} bytes where ${expectedBytes} were announced`,
    remedy: 'The file changed while it was sent: run the same command again.',
  });
}
