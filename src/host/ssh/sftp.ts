/** What is sent: a size that is known beforehand and the bytes as they come. */
export interface UploadSource {
  readonly sizeBytes: number;
  readonly chunks: AsyncIterable<Uint8Array>;
}

export interface UploadOptions {
  /** Permission bits of the new file. Default 0o600. */
  readonly mode?: number;
  /** Called as the host acknowledges, with the bytes that it has. */
  readonly onProgress?: (doneBytes: number) => void;
}

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
 * E_REMOTE_FILE (missing, not permitted, ...), E_INTERRUPTED.
 */
export interface RemoteFiles {
  /** Undefined where nothing is; follows symbolic links. */
  stat(path: string): Promise<RemoteStat | undefined>;
  /** Names in a directory, sorted. */
  list(path: string): Promise<readonly string[]>;
  /** Makes the directory and its parents; nothing happens where it is already. */
  makeDirectory(path: string, options?: { readonly mode?: number }): Promise<void>;
  /** Replaces an existing target in one step. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or a whole directory; nothing happens where there is none. */
  remove(path: string): Promise<void>;
  /** Only for small files: whole in memory. */
  readFile(path: string): Promise<Buffer>;
  /** Only for small content: to a temporary name, flushed, then renamed. */
  writeFile(path: string, content: string | Uint8Array, options?: { readonly mode?: number }): Promise<void>;
  /**
   * Streams with bounded memory to a temporary name beside `path`, flushes and renames; on failure nothing stays.
   * @throws ShipError E_HOST_DISK_FULL, E_CONNECTION_LOST, E_UPLOAD_SIZE (source shorter or longer than it said)
   */
  upload(source: UploadSource, path: string, options?: UploadOptions): Promise<void>;
}
