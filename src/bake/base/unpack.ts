import { createHash } from 'node:crypto';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { checksumError } from '../../host/http-client.ts';
import { openImageStream, writeSparse } from '../image-stream.ts';

export interface UnpackOptions {
  /** How errors name it: an address or a file. */
  readonly name: string;
  /** What the image unpacks to, where that is announced. */
  readonly sizeBytes?: number;
  readonly sha256?: string;
  /** Told before anything is written, where the size is known by then. */
  readonly onStart?: (sizeBytes: number) => Promise<void>;
  readonly onProgress?: (doneBytes: number, totalBytes?: number) => void;
}

/**
 * Unpacks an image into the sparse file `target`, hashing it on the way; the file is there whole and right, or not at all.
 * @throws ShipError E_CHECKSUM (both sums), E_IMAGE_SIZE, what `openImageStream` throws; failures of writing as they are
 */
export async function unpackImage(context: Context, file: string, target: string, options: UnpackOptions): Promise<{ sha256: string; sizeBytes: number }> {
  const { stream, sizeBytes: knownBytes } = await openImageStream(file);
  try {
    const totalBytes = options.sizeBytes ?? knownBytes;
    const hash = createHash('sha256');
    const checked = async function* (): AsyncGenerator<Buffer, void> {
      let doneBytes = 0;
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        // Here, not above: a stream that is destroyed before anybody read from it keeps its file open.
        if (doneBytes === 0 && totalBytes !== undefined) {
          if (knownBytes !== undefined && knownBytes !== totalBytes) throw wrongSize(options, String(knownBytes));
          await options.onStart?.(totalBytes);
        }
        hash.update(chunk);
        doneBytes += chunk.length;
        if (totalBytes !== undefined && doneBytes > totalBytes) throw wrongSize(options, `more than ${totalBytes}`);
        yield chunk;
      }
      if (totalBytes !== undefined && doneBytes < totalBytes) throw wrongSize(options, String(doneBytes));
      // Thrown before the writer finishes, so that a wrong file never gets its name.
      const actual = hash.copy().digest('hex');
      if (options.sha256 !== undefined && actual !== options.sha256) throw checksumError(`${options.name}, unpacked,`, options.sha256, actual);
    };
    const { sizeBytes } = await writeSparse(checked(), target, {
      signal: context.signal,
      onProgress: (doneBytes) => options.onProgress?.(doneBytes, totalBytes),
    });
    return { sha256: hash.digest('hex'), sizeBytes };
  } finally {
    stream.destroy();
  }
}

function wrongSize({ name, sizeBytes }: UnpackOptions, actual: string): ShipError {
  return new ShipError({
    code: 'E_IMAGE_SIZE',
    message: `'${name}' unpacks to ${actual} bytes${sizeBytes === undefined ? ', which is not what it says itself' : `; ${sizeBytes} were announced`}`,
    remedy: 'It is damaged, or not the file that was announced: fetch it again and compare its sha256.',
    exitStatus: ExitStatus.failed,
  });
}
