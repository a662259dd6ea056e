import { open } from 'node:fs/promises';
import { ExitStatus, ShipError } from '../../errors.ts';

/** Random access to the bytes of a disk image, of a part of one, or of a block device. */
export interface DiskReader {
  readonly sizeBytes: number;
  /**
   * Exactly `length` bytes from `offset` on.
   * @throws ShipError E_IMAGE_TRUNCATED when they reach past the end
   */
  read(offset: number, length: number): Promise<Buffer>;
}

export interface DiskFile extends DiskReader {
  close(): Promise<void>;
}

/** Opens a raw image for reading. */
export async function openDiskFile(file: string): Promise<DiskFile> {
  const handle = await open(file, 'r');
  const { size: sizeBytes } = await handle.stat();
  return {
    sizeBytes,
    async read(offset, length) {
      const buffer = Buffer.allocUnsafe(length);
      let done = 0;
      while (done < length) {
        const { bytesRead } = await handle.read(buffer, done, length - done, offset + done);
        if (bytesRead === 0) throw truncated(file, offset + length, sizeBytes);
        done += bytesRead;
      }
      return buffer;
    },
    close: () => handle.close(),
  };
}

/** A partition as a disk of its own. */
export function slice(disk: DiskReader, startBytes: number, sizeBytes: number): DiskReader {
  return {
    sizeBytes,
    read(offset, length) {
      if (offset + length > sizeBytes) return Promise.reject(truncated('the partition', offset + length, sizeBytes));
      return disk.read(startBytes + offset, length);
    },
  };
}

function truncated(name: string, wantedBytes: number, sizeBytes: number): ShipError {
  return new ShipError({
    code: 'E_IMAGE_TRUNCATED',
    message: `${name} ends after ${sizeBytes} bytes; ${wantedBytes} are needed`,
    remedy: 'It was not copied or downloaded whole: fetch it again.',
    exitStatus: ExitStatus.usage,
  });
}
