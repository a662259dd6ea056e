import { corrupt } from '../ext4-error.ts';
import type { Volume } from '../volume.ts';
import { hasFlag, InodeFlag, type Inode } from './inode.ts';
import { readMapped } from './mapped-content.ts';
import { inlineTail } from './xattrs.ts';

/** Exactly `sizeBytes` bytes of a file, in pieces of at most 256 KiB; they must not be changed. @throws ShipError E_EXT4 */
export async function* readContent(volume: Volume, inode: Inode): AsyncGenerator<Buffer> {
  if (hasFlag(inode, InodeFlag.inlineData)) yield await readInline(volume, inode);
  else yield* readMapped(volume, inode);
}

/** Inline data: the area of the block map, then the rest as an extended attribute. */
export async function readInline(volume: Volume, inode: Inode): Promise<Buffer> {
  if (inode.sizeBytes <= inode.blockArea.length) return inode.blockArea.subarray(0, inode.sizeBytes);
  const whole = Buffer.concat([inode.blockArea, await inlineTail(volume, inode)]);
  if (inode.sizeBytes > whole.length) throw corrupt(`${inode.sizeBytes} bytes of inline data, ${whole.length} are there`, { inode: inode.number });
  return whole.subarray(0, inode.sizeBytes);
}

/** Where a symlink points to, as bytes. Short targets stand in the inode itself. */
export async function readSymlink(volume: Volume, inode: Inode): Promise<Buffer> {
  const { sizeBytes, blockArea } = inode;
  if (sizeBytes === 0 || sizeBytes >= Math.max(volume.superblock.blockBytes, 4096)) {
    throw corrupt(`a symlink of ${sizeBytes} bytes`, { inode: inode.number });
  }
  const isShort = sizeBytes < blockArea.length && !hasFlag(inode, InodeFlag.extents) && !hasFlag(inode, InodeFlag.inlineData);
  if (isShort) return blockArea.subarray(0, sizeBytes);
  const pieces: Buffer[] = [];
  for await (const piece of readContent(volume, inode)) pieces.push(piece);
  return Buffer.concat(pieces);
}
