import { randomBytes } from 'node:crypto';
import path from 'node:path';
import type { SFTPWrapper, Stats } from 'ssh2';
import { ShipError } from '../../../errors.ts';
import type { Session } from '../session.ts';
import { SftpChannel, SftpStatus, type SharedSftpClient, isMissingExtension, request, statusOf } from './channel.ts';
import { ChunkMap } from './chunk-map.ts';
import { type ResumableSource, type ResumableUpload, partialPaths, sendMissing, wrongDigest } from './resumable-upload.ts';
import { blockBytes } from './block-writer.ts';
import { type UploadOptions, type UploadSource, uploadTo, writeSmall } from './upload.ts';

export interface RemoteStat {
  readonly kind: 'file' | 'directory' | 'other';
  readonly sizeBytes: number;
  /** Permission bits, 0o640. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Files of a host by SFTP; paths are absolute. Whatever fails is a ShipError: E_CONNECTION_LOST, E_HOST_DISK_FULL,
 * E_REMOTE_FILE (missing, not permitted, ...), E_NO_SFTP, E_INTERRUPTED.
 */
export interface RemoteFiles {
  /** Undefined where nothing is; follows symbolic links. */
  stat(path: string): Promise<RemoteStat | undefined>;
  /** Names in a directory, sorted. */
  list(path: string): Promise<readonly string[]>;
  /** Makes the directory and its parents; nothing happens where it is already. `mode` is given to a new one only. */
  makeDirectory(path: string, options?: { readonly mode?: number }): Promise<void>;
  /** Makes directories, parents before their children, in one round trip; tells whether the first one is new. */
  makeDirectories(paths: readonly string[], options: { readonly mode: number }): Promise<{ readonly isNew: boolean }>;
  /** Replaces an existing target in one step. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or a whole directory; nothing happens where there is none. Symbolic links are not followed. */
  remove(path: string): Promise<void>;
  /** Only for small files: whole in memory. */
  readFile(path: string): Promise<Buffer>;
  /** Only for small content: to a temporary name, flushed, then renamed. */
  writeFile(path: string, content: string | Uint8Array, options?: WriteFileOptions): Promise<void>;
  /**
   * Streams with bounded memory to a temporary name beside `path`, flushes and renames; on failure nothing stays.
   * @throws ShipError E_HOST_DISK_FULL, E_CONNECTION_LOST, E_UPLOAD_SIZE (source shorter or longer than it said)
   */
  upload(source: UploadSource, path: string, options?: UploadOptions): Promise<void>;
  /**
   * Looks for what an upload of the same content to `path` has brought before it was cut: beside `path`, under a name of
   * the content's digest, with a map of the chunks that are on the host's disk. Removing leftovers of content that is
   * never sent again is the caller's part. In a folder that is new there is nothing to look for.
   */
  resume(source: ResumableSource, path: string, options?: { readonly isNew?: boolean }): Promise<ResumableUpload>;
}

export interface WriteFileOptions {
  /** Permission bits; default 0o600. */
  readonly mode?: number;
  /** The caller has the content proven on the host and brought to its disk before it counts: it is not flushed here. */
  readonly isProvenLater?: boolean;
}

/** The sha256 of a file of the host, computed there, in hexadecimal. */
export type RemoteSha256 = (path: string) => Promise<string>;

export class SftpFiles implements RemoteFiles {
  readonly #session: Session;
  readonly #channel: SftpChannel;
  readonly #sha256: RemoteSha256;

  constructor(session: Session, sha256: RemoteSha256) {
    this.#session = session;
    this.#sha256 = sha256;
    this.#channel = new SftpChannel(session);
  }

  stat(file: string): Promise<RemoteStat | undefined> {
    return this.#do('read', file, async ({ sftp }) => {
      const stats = await request<Stats>((callback) => sftp.stat(file, callback)).catch(undefinedIfMissing);
      return stats && remoteStat(stats);
    });
  }

  list(directory: string): Promise<readonly string[]> {
    return this.#do('list', directory, async (client) => (await client.list(directory)).map(({ name }) => name).sort());
  }

  makeDirectory(directory: string, options: { readonly mode?: number } = {}): Promise<void> {
    return this.#do('make', directory, async (client) => {
      if ((await client.exists(directory)) === 'd') return;
      await client.mkdir(directory, true);
      if (options.mode !== undefined) await client.chmod(directory, options.mode);
    });
  }

  makeDirectories(directories: readonly string[], { mode }: { readonly mode: number }): Promise<{ readonly isNew: boolean }> {
    const [first = ''] = directories;
    return this.#do('make', first, async ({ sftp }) => {
      // Servers take requests in their order, so a child finds its parent. What is there already is a mere "Failure" here.
      const made = await Promise.allSettled(directories.map((directory) => request((callback) => sftp.mkdir(directory, { mode }, callback))));
      for (const one of made) if (one.status === 'rejected' && statusOf(one.reason) !== SftpStatus.failure) throw one.reason;
      return { isNew: made[0]?.status === 'fulfilled' };
    });
  }

  /** Opens the channel, so that whoever needs it first need not wait; what goes wrong is told then. */
  open(): void {
    this.#channel.client().catch(() => {});
  }

  rename(from: string, to: string): Promise<void> {
    return this.#do('rename', from, ({ sftp }) => replace(sftp, from, to));
  }

  remove(file: string): Promise<void> {
    return this.#do('remove', file, async (client) => {
      const kind = await client.exists(file);
      if (kind === 'd') await client.rmdir(file, true);
      else await client.delete(file, true);
    });
  }

  readFile(file: string): Promise<Buffer> {
    return this.#do('read', file, async (client) => (await client.get(file)) as Buffer);
  }

  async writeFile(file: string, content: string | Uint8Array, options: WriteFileOptions = {}): Promise<void> {
    const bytes = Buffer.from(content as Uint8Array);
    if (bytes.length > blockBytes) {
      await this.upload({ sizeBytes: bytes.length, chunks: single(bytes) }, file, options);
      return;
    }
    const temporary = temporaryPath(file);
    const { sftp } = await this.#channel.client();
    try {
      await writeSmall(this.#session, sftp, bytes, temporary, options);
      await this.rename(temporary, file);
    } catch (error) {
      throw await this.#afterFailure(error, file, temporary, bytes.length);
    }
  }

  async upload(source: UploadSource, file: string, options: UploadOptions = {}): Promise<void> {
    const temporary = temporaryPath(file);
    const { sftp } = await this.#channel.client();
    let doneBytes = 0;
    const onProgress = (bytes: number) => {
      doneBytes = bytes;
      options.onProgress?.(bytes);
    };
    try {
      await uploadTo(this.#session, sftp, source, temporary, { ...options, onProgress });
      await this.rename(temporary, file);
    } catch (error) {
      throw await this.#afterFailure(error, file, temporary, source.sizeBytes - doneBytes);
    }
  }

  async #afterFailure(error: unknown, file: string, temporary: string, missingBytes: number): Promise<ShipError> {
    const full = await this.#diskFull(error, file, missingBytes);
    await this.#discard(temporary);
    return full ?? this.#failure('write', file, error);
  }

  async resume(source: ResumableSource, file: string, { isNew = false }: { readonly isNew?: boolean } = {}): Promise<ResumableUpload> {
    const expected = source.digest.slice('sha256:'.length);
    const names = partialPaths(file, source);
    const [there, partial, known] = isNew ? [] : await Promise.all([file, names.partial, names.map].map((name) => this.stat(name)));
    if (there?.kind === 'file' && there.sizeBytes === source.sizeBytes && (await this.#sha256(file)) === expected) {
      return { doneBytes: source.sizeBytes, send: () => Promise.resolve() };
    }
    const content = partial && known ? await this.readFile(names.map) : undefined;
    const map = new ChunkMap(source.sizeBytes, content, partial?.sizeBytes);
    return {
      doneBytes: map.doneBytes,
      send: async (options = {}) => {
        try {
          const { sftp } = await this.#channel.client();
          await sendMissing(this.#session, sftp, source, file, map, options);
          const actual = options.isProvenLater ? expected : await this.#sha256(names.partial);
          if (actual !== expected) throw wrongDigest(this.#session.name, file, expected, actual);
          const forgotten = request((callback) => sftp.unlink(names.map, callback));
          await Promise.all([this.rename(names.partial, file), this.#session.guard(() => forgotten)]);
        } catch (error) {
          const full = await this.#diskFull(error, file, source.sizeBytes - map.doneBytes);
          // Damaged content is no use, and a full disk is needed by what runs there.
          if (full || (error instanceof ShipError && error.code === 'E_UPLOAD_DIGEST')) {
            await this.#discard(names.partial);
            await this.#discard(names.map);
          }
          throw full ?? this.#failure('write', file, error);
        }
      },
    };
  }

  async #do<T>(verb: string, file: string, operation: (client: SharedSftpClient) => Promise<T>): Promise<T> {
    try {
      const client = await this.#channel.client();
      return await this.#session.guard(() => operation(client));
    } catch (error) {
      throw this.#failure(verb, file, error);
    }
  }

  /** SFTP version 3 has no status for a full disk, only "Failure": what is free tells. */
  async #diskFull(error: unknown, file: string, missingBytes: number): Promise<ShipError | undefined> {
    if (statusOf(error) !== SftpStatus.failure) return undefined;
    const { sftp } = await this.#channel.client();
    const free = await this.#session
      .guard(() => request<FileSystemStatistics>((callback) => sftp.ext_openssh_statvfs(path.posix.dirname(file), callback)))
      .catch(() => undefined);
    if (!free) return undefined;
    const outOfBlocks = free.f_bavail * free.f_frsize < missingBytes;
    const outOfInodes = free.f_files > 0 && free.f_favail === 0; // btrfs has none at all
    if (!outOfBlocks && !outOfInodes) return undefined;
    return new ShipError({
      code: 'E_HOST_DISK_FULL',
      message: `The disk of ${this.#session.name} is full: ${file} needs ${missingBytes} bytes more`,
      remedy: `Free some space there (\`df -h ${path.posix.dirname(file)}\`; \`prose-ship prune\` removes old releases).`,
      cause: error,
    });
  }

  /** Also after an abort, for as long as the connection stands; the host's own clean-up takes care of the rest. */
  async #discard(temporary: string): Promise<void> {
    if (this.#session.lost.aborted) return;
    const { sftp } = await this.#channel.client();
    const removed = request((callback) => sftp.unlink(temporary, callback)).catch(() => {});
    await Promise.race([removed, new Promise<void>((resolve) => setTimeout(resolve, discardTimeoutMs).unref())]);
  }

  #failure(verb: string, file: string, error: unknown): ShipError {
    if (error instanceof ShipError) return error;
    const reasons: Record<string, string> = {
      [SftpStatus.noSuchFile]: 'no such file or directory',
      ENOENT: 'no such file or directory',
      [SftpStatus.permissionDenied]: `'${this.#session.user}' may not do that`,
      [SftpStatus.failure]: 'the host does not say why',
    };
    const reason = reasons[String(statusOf(error))] ?? (error instanceof Error ? error.message : String(error));
    return new ShipError({
      code: 'E_REMOTE_FILE',
      message: `Cannot ${verb} ${file} on ${this.#session.name}: ${reason}`,
      remedy: `Look at it there: \`ls -ld ${path.posix.dirname(file)} ${file}\``,
      cause: error,
    });
  }
}

/** How long removing a temporary file may take once the upload has failed. */
const discardTimeoutMs = 5_000;

/** The answer to statvfs@openssh.com. */
interface FileSystemStatistics {
  /** The unit of `f_bavail` in bytes. */
  readonly f_frsize: number;
  readonly f_bavail: number;
  readonly f_files: number;
  readonly f_favail: number;
}

function temporaryPath(file: string): string {
  return path.posix.join(path.posix.dirname(file), `.${path.posix.basename(file)}.${randomBytes(6).toString('hex')}.tmp`);
}

/** SFTP's own rename refuses an existing target; OpenSSH has one that replaces it. */
async function replace(sftp: SFTPWrapper, from: string, to: string): Promise<void> {
  try {
    await request((callback) => sftp.ext_openssh_rename(from, to, callback));
  } catch (error) {
    if (!isMissingExtension(error)) throw error;
    await request((callback) => sftp.unlink(to, callback)).catch(undefinedIfMissing);
    await request((callback) => sftp.rename(from, to, callback));
  }
}

function undefinedIfMissing(error: unknown): undefined {
  if (statusOf(error) !== SftpStatus.noSuchFile) throw error;
}

function remoteStat(stats: Stats): RemoteStat {
  return {
    kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other',
    sizeBytes: stats.size,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
  };
}

// eslint-disable-next-line @typescript-eslint/require-await
async function* single(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
