import { createHash } from 'node:crypto';
import { ShipError } from '../../errors.ts';
import { firstDifference, type PieceSums } from './pieces.ts';
import type { TargetFile } from './target-file.ts';
import type { FlashTarget } from './target/flash-target.ts';
import { headBytes, type WrittenImage } from './write-image.ts';

export interface ReadBackOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (doneBytes: number) => void;
}

/**
 * Reads everything but the head from the device and compares: block by block to name the place, and each range by its
 * sha256. The next piece is read while one is being compared.
 * @throws ShipError E_VERIFY_FAILED with the first wrong offset
 */
export async function readBack(file: TargetFile, target: FlashTarget, written: WrittenImage, options: ReadBackOptions): Promise<void> {
  const hashes = written.ranges.map(() => createHash('sha256'));
  const onDevice = written.pieces.filter(({ offset }) => offset >= headBytes);
  for (const { offset, length, range } of written.pieces) {
    if (offset < headBytes) hashes[range]?.update(written.head.subarray(offset, offset + length));
  }
  const read = async (at: number) => {
    const piece = onDevice[at];
    const data = file.chunks[at % 2 === 0 ? 0 : 1].subarray(0, piece?.length ?? 0);
    if (piece) await file.read(data, piece.offset);
    return data;
  };
  let doneBytes = 0;
  let next = read(0);
  for (const [at, piece] of onDevice.entries()) {
    const data = await next;
    options.signal.throwIfAborted();
    next = read(at + 1);
    next.catch(() => {}); // awaited in the next round
    try {
      compare(target, piece, data);
    } catch (error) {
      await next.catch(() => {});
      throw error;
    }
    hashes[piece.range]?.update(data);
    doneBytes += data.length;
    options.onProgress(doneBytes);
  }
  await next;
  for (const [at, { startBytes, sha256 }] of written.ranges.entries()) {
    if (hashes[at]?.digest('hex') !== sha256) throw verifyFailed(target, startBytes);
  }
}

/** The same for the head, once it was written. */
export async function readBackHead(file: TargetFile, target: FlashTarget, written: WrittenImage): Promise<void> {
  for (const piece of written.pieces.filter(({ offset }) => offset < headBytes)) {
    const data = file.chunks[0].subarray(0, piece.length);
    await file.read(data, piece.offset);
    compare(target, piece, data);
  }
}

function compare(target: FlashTarget, piece: PieceSums, data: Buffer): void {
  const offset = firstDifference(piece, data);
  if (offset !== undefined) throw verifyFailed(target, offset);
}

function verifyFailed(target: FlashTarget, offset: number): ShipError {
  return new ShipError({
    code: 'E_VERIFY_FAILED',
    message: `${target.path} does not hold what was written: the first wrong bytes are in the 4096 from ${offset} on`,
    remedy: 'The card or its reader is broken, or the card claims more than it holds. Try another reader, then another card.',
    result: { firstWrongOffset: offset },
  });
}
