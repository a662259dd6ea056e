import { crc32c } from '../crc.ts';
import { corrupt } from '../ext4-error.ts';
import { decodeFileName } from '../file-name.ts';
import type { Volume } from '../volume.ts';
import { eachBlock } from './block-runs.ts';
import { readInline } from './content.ts';
import { hasFlag, InodeFlag, rootInode, type Inode } from './inode.ts';

export interface DirectoryEntry {
  readonly name: string;
  readonly nameBytes: Buffer;
  readonly inode: number;
}

/** inode, entry's length, name's length, type */
const fixedBytes = 8;
const tailBytes = 12;

/**
 * What is in a directory, without `.` and `..`, sorted by the bytes of the names. The nodes of a hashed one look like unused
 * entries to whoever reads it block by block, so it needs nothing of its own (kernel, Documentation/filesystems/ext4/directory.rst).
 * @throws ShipError E_EXT4
 */
export async function readDirectory(volume: Volume, inode: Inode): Promise<DirectoryEntry[]> {
  const entries: DirectoryEntry[] = [];
  if (hasFlag(inode, InodeFlag.inlineData)) {
    const content = await readInline(volume, inode);
    // The first four bytes are the parent's number; both areas are filled with entries of their own.
    for (const part of [content.subarray(4, inode.blockArea.length), content.subarray(inode.blockArea.length)]) {
      entries.push(...parse(volume, inode, part));
    }
  } else {
    for await (const { content, offset } of eachBlock(volume, inode)) {
      verify(inode, content, offset);
      entries.push(...parse(volume, inode, content, offset));
    }
  }
  return checked(entries, inode);
}

function* parse({ superblock }: Volume, { number }: Inode, block: Buffer, blockOffset?: number): Generator<DirectoryEntry> {
  for (let at = 0; at < block.length; ) {
    const place = { inode: number, ...(blockOffset === undefined ? {} : { offset: blockOffset + at }) };
    if (at + fixedBytes > block.length) throw corrupt('a directory entry is cut off', place);
    const inode = block.readUInt32LE(at);
    const length = entryBytes(block.readUInt16LE(at + 4), superblock.blockBytes);
    const nameLength = block.readUInt8(at + 6);
    if (length < fixedBytes || length % 4 !== 0 || at + length > block.length || fixedBytes + nameLength > length) {
      throw corrupt(`a directory entry of ${length} bytes with a name of ${nameLength}`, place);
    }
    if (inode !== 0) {
      const nameBytes = Buffer.from(block.subarray(at + fixedBytes, at + fixedBytes + nameLength));
      const name = decodeFileName(nameBytes);
      if (name !== '.' && name !== '..') {
        if (nameLength === 0 || nameBytes.includes(0) || nameBytes.includes(0x2f)) throw corrupt('a directory entry has a name that cannot be', place);
        if (inode > superblock.inodes || (inode < superblock.firstInode && inode !== rootInode)) {
          throw corrupt(`the directory entry '${name}' leads to inode ${inode}`, place);
        }
        yield { name, nameBytes, inode };
      }
    }
    at += length;
  }
}

/** Blocks of 64 KiB cannot be told in 16 bits: their length is 65535 or 0, and the lowest bits hold the highest ones. */
function entryBytes(stored: number, blockBytes: number): number {
  if (blockBytes < 65536) return stored;
  return stored === 65535 || stored === 0 ? blockBytes : (stored & 65532) | ((stored & 3) << 16);
}

function checked(entries: DirectoryEntry[], { number }: Inode): DirectoryEntry[] {
  entries.sort((a, b) => a.nameBytes.compare(b.nameBytes));
  const twice = entries.find((entry, index) => entry.name === entries[index - 1]?.name);
  if (twice) throw corrupt(`the name '${twice.name}' is twice in a directory`, { inode: number });
  return entries;
}

/** Leaves end with an entry that only holds their checksum; a hash tree's nodes may still have one of when they were leaves. */
function verify({ number, checksumSeed }: Inode, block: Buffer, offset: number): void {
  if (checksumSeed === undefined || isHashNode(block)) return;
  const tail = block.length - tailBytes;
  if (block.readUInt32LE(tail) !== 0 || block.readUInt16LE(tail + 4) !== tailBytes || block.readUInt16LE(tail + 6) !== 0xde00) return;
  if (crc32c(checksumSeed, block.subarray(0, tail)) !== block.readUInt32LE(tail + 8)) {
    throw corrupt('the checksum of a block of a directory does not match', { inode: number, offset });
  }
}

/** An unused entry of the whole block, or `..` up to its end. */
function isHashNode(block: Buffer): boolean {
  const first = entryBytes(block.readUInt16LE(4), block.length);
  return first === block.length || (first === 12 && entryBytes(block.readUInt16LE(16), block.length) === block.length - 12);
}
