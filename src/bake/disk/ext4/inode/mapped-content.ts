import type { Volume } from '../volume.ts';
import { blockRuns } from './block-runs.ts';
import type { Inode } from './inode.ts';

/** Big enough that reading costs little per byte, small enough that memory stays flat. */
const pieceBytes = 256 * 1024;
const zeros = Buffer.alloc(pieceBytes);
/** Where files are small, what was read ahead for one serves its neighbours. */
const smallBytes = 64 * 1024;

/** Content that is in blocks, with zeros for holes, in pieces of at most 256 KiB; they must not be changed. @throws ShipError E_EXT4 */
export async function* readMapped(volume: Volume, inode: Inode): AsyncGenerator<Buffer> {
  const { blockBytes } = volume.superblock;
  const { sizeBytes } = inode;
  let position = 0;
  for await (const { logical, physical, count, uninitialised } of blockRuns(volume, inode)) {
    const start = logical * blockBytes;
    if (start >= sizeBytes) break;
    yield* zerosUntil(position, start);
    position = start;
    const end = Math.min((logical + count) * blockBytes, sizeBytes);
    if (uninitialised) continue;
    for (; position < end; position += pieceBytes) {
      const length = Math.min(pieceBytes, end - position);
      const offset = physical * blockBytes + (position - start);
      yield await (sizeBytes <= smallBytes ? volume.readMetadata(offset, length) : volume.readData(offset, length));
    }
    position = end;
  }
  yield* zerosUntil(position, sizeBytes);
}

function* zerosUntil(position: number, end: number): Generator<Buffer> {
  for (; position < end; position += pieceBytes) yield zeros.subarray(0, Math.min(pieceBytes, end - position));
}
