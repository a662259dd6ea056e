import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { FlashTarget } from './target/flash-target.ts';
import { alignedBuffer } from './aligned-buffer.ts';

/** What is written at once: as much as the erase block of a card, so that none is written twice. */
export const chunkBytes = 4 * 1024 * 1024;
/** Positions and lengths that O_DIRECT takes whatever the disk's sectors. */
export const sectorBytes = 4096;
/** Absent on macOS, where the raw device is unbuffered already. */
const direct: number = (constants as { O_DIRECT?: number }).O_DIRECT ?? 0;

/** The opened target. Buffers handed out are chunks that the kernel takes as they are. */
export interface TargetFile {
  readonly direct: boolean;
  /** Two chunks: one is filled while the other is on its way. */
  readonly chunks: readonly [Buffer, Buffer];
  /** `data` lies at the start of one of the chunks. */
  write(data: Buffer, offset: number): Promise<void>;
  /** Fills `data`, the start of one of the chunks, from the device itself as far as that can be had. */
  read(data: Buffer, offset: number): Promise<void>;
  sync(): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  close(): Promise<void>;
}

/** Whether the target can be opened with O_DIRECT; a file to be made is asked about when it is. */
export async function opensDirectly(target: FlashTarget): Promise<boolean> {
  if (target.kind === 'new-file') return direct !== 0;
  const handle = await openDirect(target.openPath, constants.O_RDONLY);
  await handle?.close();
  return handle !== undefined;
}

/**
 * Opens the target and marks it: its first block becomes zeros, so that from here on it holds no partition table. A
 * disk is opened exclusively (open(2): O_EXCL without O_CREAT), which fails with EBUSY when anybody uses it, also in a
 * mount namespace that cannot be seen from here.
 */
export async function openTargetFile(target: FlashTarget): Promise<TargetFile> {
  const exclusive = target.kind === 'disk' && process.platform === 'linux' ? constants.O_EXCL : 0;
  const flags = constants.O_RDWR | (target.kind === 'new-file' ? constants.O_CREAT : exclusive);
  const size = 2 * chunkBytes;
  const unbuffered = await openDirect(target.openPath, flags);
  const mark = (handle: FileHandle) => (candidate: Buffer) => handle.write(candidate.fill(0, 0, sectorBytes), 0, sectorBytes, 0);
  try {
    const buffer = unbuffered && (await alignedBuffer(size, mark(unbuffered)));
    if (unbuffered && buffer) return targetFile(target, unbuffered, buffer, true);
  } catch (error) {
    await unbuffered?.close();
    throw error;
  }
  await unbuffered?.close();
  const handle = await open(target.openPath, flags);
  try {
    const buffer = Buffer.allocUnsafeSlow(size);
    await mark(handle)(buffer);
    return targetFile(target, handle, buffer, false);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Undefined where the file system knows no O_DIRECT. */
async function openDirect(file: string, flags: number): Promise<FileHandle | undefined> {
  if (direct === 0) return undefined;
  return open(file, flags | direct, 0o666).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return undefined;
    throw error;
  });
}

function targetFile(target: FlashTarget, handle: FileHandle, buffer: Buffer, isDirect: boolean): TargetFile {
  /** For what O_DIRECT refuses: the odd end of an image. */
  let buffered: FileHandle | undefined;
  return {
    direct: isDirect,
    chunks: [buffer.subarray(0, chunkBytes), buffer.subarray(chunkBytes)],
    async write(data, offset) {
      const aligned = !isDirect || (offset % sectorBytes === 0 && data.length % sectorBytes === 0);
      if (!aligned) buffered ??= await open(target.openPath, constants.O_RDWR);
      const file = aligned ? handle : (buffered ?? handle);
      for (let at = 0; at < data.length; ) at += (await file.write(data, at, data.length - at, offset + at)).bytesWritten;
    },
    async read(data, offset) {
      // The next whole sectors; the rest is thrown away, and the buffer has room for it.
      const length = Math.ceil(data.length / sectorBytes) * sectorBytes;
      const room = Buffer.from(data.buffer, data.byteOffset, length);
      for (let at = 0; at < data.length; ) {
        const { bytesRead } = await handle.read(room, at, length - at, offset + at);
        if (bytesRead === 0) throw Object.assign(new Error('it ends too early'), { code: 'ENODATA' });
        at += bytesRead;
      }
    },
    async sync() {
      await buffered?.sync();
      await handle.sync();
    },
    truncate: (sizeBytes) => handle.truncate(sizeBytes),
    async close() {
      await buffered?.close();
      await handle.close();
    },
  };
}
