import { createHash } from 'node:crypto';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { BlockMap, MappedRange } from '../block-map/block-map.ts';
import { cutPieces, sumPiece, type PieceSums } from './pieces.ts';
import { tooSmall } from './target/refusals.ts';
import { chunkBytes, type TargetFile } from './target-file.ts';
import type { FlashTarget } from './target/flash-target.ts';

/** What holds the partition table is written last: a card that was not finished must not look whole. */
export const headBytes = 1024 * 1024;

export interface WrittenImage {
  readonly imageSizeBytes: number;
  /** With the sha256 of what was written. */
  readonly ranges: readonly (MappedRange & { readonly sha256: string })[];
  /** In the order of the image. */
  readonly pieces: readonly PieceSums[];
  /** The image's first bytes, which were not written. */
  readonly head: Buffer;
}

export interface WriteOptions {
  readonly image: string;
  readonly map: BlockMap | undefined;
  readonly signal: AbortSignal;
  /** What the device has taken. */
  readonly onProgress: (doneBytes: number) => void;
}

/**
 * Writes everything but the first MiB, while the next piece is being unpacked; checks each range's sha256 on the way.
 * @throws ShipError E_IMAGE_CORRUPT (a range is not what the map says, the image has another size), E_DEVICE_TOO_SMALL
 */
export async function writeImage(stream: AsyncIterable<Buffer>, file: TargetFile, target: FlashTarget, options: WriteOptions): Promise<WrittenImage> {
  const { map, signal, onProgress } = options;
  const extents = map?.ranges ?? [{ startBytes: 0, sizeBytes: Infinity }];
  const hashes = extents.map(() => createHash('sha256'));
  const ends = new Map<number, number>();
  const pieces: PieceSums[] = [];
  const head = Buffer.alloc(headBytes);
  let imageSizeBytes = 0;
  let doneBytes = 0;
  let writing = Promise.resolve();
  const onRead = (bytes: number) => {
    signal.throwIfAborted();
    imageSizeBytes = bytes;
  };
  const cutting = { chunkBytes, borderBytes: headBytes, buffers: file.chunks, onRead };
  try {
    for await (const piece of cutPieces(stream, extents, cutting)) {
      const { offset, data, range } = piece;
      if (target.kind === 'disk' && offset + data.length > target.sizeBytes) throw tooSmall(target, offset + data.length, 'the image has at least');
      hashes[range]?.update(data);
      ends.set(range, offset + data.length);
      pieces.push(sumPiece(piece));
      if (offset < headBytes) data.copy(head, offset);
      else {
        await writing;
        writing = file.write(data, offset).then(() => {
          doneBytes += data.length;
          onProgress(doneBytes);
        });
        writing.catch(() => {}); // awaited before the next one, or below
      }
    }
  } finally {
    await writing;
  }
  if (map && imageSizeBytes !== map.imageSizeBytes) throw wrong(options.image, `it has ${imageSizeBytes} bytes, its block map tells of ${map.imageSizeBytes}`);
  const ranges = extents.map(({ startBytes }, at) => ({
    startBytes,
    sizeBytes: (ends.get(at) ?? startBytes) - startBytes,
    sha256: hashes[at]?.digest('hex') ?? '',
  }));
  const bad = map?.ranges.findIndex(({ sha256 }, at) => sha256 !== undefined && sha256 !== ranges[at]?.sha256) ?? -1;
  const range = map?.ranges[bad];
  if (range) {
    throw wrong(options.image, `its ${range.sizeBytes} bytes from ${range.startBytes} on have the sha256 ${ranges[bad]?.sha256 ?? ''}, its block map says ${range.sha256 ?? ''}`);
  }
  return { imageSizeBytes, ranges, pieces, head };
}

function wrong(image: string, what: string): ShipError {
  return new ShipError({
    code: 'E_IMAGE_CORRUPT',
    message: `The image is damaged: ${what}`,
    place: { file: image },
    remedy: 'Fetch image and block map again, from the same place.',
    exitStatus: ExitStatus.failed,
  });
}
