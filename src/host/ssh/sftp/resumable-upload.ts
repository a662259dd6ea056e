import path from 'node:path';
import type { SFTPWrapper } from 'ssh2';
import { ShipError } from '../../../errors.ts';
import type { Session } from '../session.ts';
import { type Block, flush, inBlocks, writeBlocks } from './block-writer.ts';
import { request } from './channel.ts';
import type { ChunkMap } from './chunk-map.ts';
import { ChunkRecorder } from './chunk-recorder.ts';
import type { TokenBucket } from './token-bucket.ts';
import { type UploadOptions, wrongSize } from './upload.ts';

/** Content that is known beforehand and can be read from anywhere. */
export interface ResumableSource {
  readonly sizeBytes: number;
  /** Of the whole content. */
  readonly digest: `sha256:${string}`;
  /** The bytes from `offset` to the end. */
  read(offset: number): AsyncIterable<Uint8Array>;
}

export interface ResumableOptions extends UploadOptions {
  /** Shared by all that goes over the same line. Default: as fast as it goes. */
  readonly pace?: TokenBucket | undefined;
  /**
   * The caller has the content proven on the host, by its digest, and brought to its disk before it counts: here the whole is
   * then neither read again nor flushed.
   */
  readonly isProvenLater?: boolean;
}

/** An upload that may have begun earlier. */
export interface ResumableUpload {
  /** What the host has of it already, proven for a whole file, claimed by the map for a part. */
  readonly doneBytes: number;
  /**
   * Sends what is missing, proves the whole by its sha256 on the host, flushes and renames. After a cut or an abort
   * what has arrived stays for the next time.
   * @throws ShipError E_UPLOAD_DIGEST (what was there is gone then), E_UPLOAD_SIZE, E_HOST_DISK_FULL (likewise),
   * E_CONNECTION_LOST, E_INTERRUPTED
   */
  send(options?: ResumableOptions): Promise<void>;
}

/** Where an upload of this content to `file` keeps what has arrived, and which of it: never those of another content. */
export function partialPaths(file: string, { digest }: Pick<ResumableSource, 'digest'>): { readonly partial: string; readonly map: string } {
  const name = path.posix.join(path.posix.dirname(file), `.${digest.slice('sha256:'.length)}`);
  return { partial: `${name}.part`, map: `${name}.chunks` };
}

/** What is on its way is nobody else's business. No usual umask takes any of these bits away. */
const partialMode = 0o600;

/** How long an interrupted upload may take to record what has arrived. */
const lastRecordTimeoutMs = 2_000;

/** Writes the chunks that the map lacks, marks them as they are flushed, and flushes the whole. */
export async function sendMissing(
  session: Session,
  sftp: SFTPWrapper,
  source: ResumableSource,
  file: string,
  map: ChunkMap,
  options: ResumableOptions,
): Promise<void> {
  const names = partialPaths(file, source);
  const mode = options.mode ?? partialMode;
  const open = (name: string) =>
    session.guard(() => request<Buffer>((callback) => sftp.open(name, map.isFresh ? 'w' : 'r+', { mode: partialMode }, callback)));
  const [handle, mapHandle] = await Promise.all([open(names.partial), open(names.map)]);
  const { content } = map;
  // Not waited for before the blocks: the server takes it before any later write to the map.
  const begun =
    map.isFresh && content.length > 0
      ? session.guard(() => request((callback) => sftp.write(mapHandle, Buffer.from(content), 0, content.length, 0, callback)))
      : Promise.resolve();
  begun.catch(() => {}); // awaited below
  const recorder = new ChunkRecorder(map, { session, sftp, handle }, mapHandle);
  try {
    let { doneBytes } = map;
    const onAcknowledged = (position: number, length: number) => {
      recorder.acknowledged(position, length);
      options.onProgress?.((doneBytes += length));
    };
    await writeBlocks({ session, sftp, handle }, missingBlocks(source, map, recorder), { pace: options.pace, onAcknowledged });
    await begun;
    await session.guard(() => recorder.settled());
    recorder.throwIfFailed();
    // The last chunks are not recorded: the file gets its name right after this.
    const changed = () => (mode === partialMode ? undefined : request((callback) => sftp.fchmod(handle, mode, callback)));
    await session.guard(() => Promise.all([changed(), options.isProvenLater ? undefined : flush(sftp, handle)]));
  } catch (error) {
    // After an abort the connection still stands: what has arrived need not be sent again.
    if (!session.lost.aborted) await Promise.race([recorder.record(), timeout(lastRecordTimeoutMs)]);
    throw error;
  } finally {
    // Not awaited after a failure: requests are answered in their order, and a lost host does not answer.
    sftp.close(handle, () => {});
    sftp.close(mapHandle, () => {});
  }
}

async function* missingBlocks(source: ResumableSource, map: ChunkMap, recorder: ChunkRecorder): AsyncGenerator<Block> {
  for (const { start, end } of map.missing()) {
    let position = start;
    for await (const bytes of inBlocks(source.read(start))) {
      // Behind what is on its way a record may come too late for a link that breaks again: nothing is sent meanwhile.
      if (map.wasCut) await recorder.settled();
      recorder.throwIfFailed();
      if (end === source.sizeBytes && position + bytes.length > end) {
        throw wrongSize('The source', source.sizeBytes, position + bytes.length);
      }
      // Runs begin and end between chunks, and chunks between blocks: a block never reaches over the end of a run.
      yield { bytes, position };
      position += bytes.length;
      if (position === end && end !== source.sizeBytes) break;
    }
    if (position !== end) throw wrongSize('The source', source.sizeBytes, position);
  }
}

export function wrongDigest(host: string, file: string, expected: string, actual: string): ShipError {
  return new ShipError({
    code: 'E_UPLOAD_DIGEST',
    message: `What arrived on ${host} for ${file} is damaged: its sha256 is ${actual}, not ${expected}. It has been removed`,
    remedy: 'Run the same command again: the file is then sent whole. If it happens again, check the storage and the memory of the host.',
  });
}

function timeout(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}
