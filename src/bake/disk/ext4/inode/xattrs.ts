import { crc32c, le32 } from '../crc.ts';
import { corrupt, type Ext4Place } from '../ext4-error.ts';
import { readBlock, type Volume } from '../volume.ts';
import { hasFlag, InodeFlag, readInode, type Inode } from './inode.ts';
import { readMapped } from './mapped-content.ts';
import { kernelAcl } from './posix-acl.ts';

/** What stands for the start of a name (kernel, Documentation/filesystems/ext4/attributes.rst). */
const prefixes: Readonly<Record<number, string>> = {
  1: 'user.', 2: 'system.posix_acl_access', 3: 'system.posix_acl_default', 4: 'trusted.', 6: 'security.', 7: 'system.', 8: 'system.richacl',
};
const inlineData = 'system.data';
const magic = 0xea020000;
const entryBytes = 16;
const blockHeaderBytes = 32;
/** XATTR_SIZE_MAX of Linux. */
const largestValueBytes = 65536;

/** All extended attributes by full name, sorted, with the values that getxattr gives; inline data is none. @throws ShipError E_EXT4 */
export async function readXattrs(volume: Volume, inode: Inode): Promise<ReadonlyMap<string, Buffer>> {
  const found = await rawXattrs(volume, inode);
  found.delete(inlineData);
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The part of inline data that the block map's area has no room for. */
export async function inlineTail(volume: Volume, inode: Inode): Promise<Buffer> {
  return (await rawXattrs(volume, inode)).get(inlineData) ?? Buffer.alloc(0);
}

async function rawXattrs(volume: Volume, inode: Inode): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  if (inode.xattrBlock !== 0) {
    const offset = inode.xattrBlock * volume.superblock.blockBytes;
    const place = { inode: inode.number, offset };
    const block = Buffer.from(await readBlock(volume, inode.xattrBlock, place));
    if (block.readUInt32LE(0) !== magic || block.readUInt32LE(8) !== 1) throw corrupt('a block of extended attributes is none', place);
    verify(volume, inode, block, place);
    await parse(volume, { area: block, entriesAt: blockHeaderBytes, valuesAt: 0, place }, found);
  }
  // Behind the magic number, where values count from too.
  if (inode.xattrArea.length >= 4 && inode.xattrArea.readUInt32LE(0) === magic) {
    await parse(volume, { area: inode.xattrArea, entriesAt: 4, valuesAt: 4, place: { inode: inode.number } }, found);
  }
  return found;
}

interface XattrArea {
  readonly area: Buffer;
  readonly entriesAt: number;
  readonly valuesAt: number;
  readonly place: Ext4Place;
}

async function parse(volume: Volume, { area, entriesAt, valuesAt, place }: XattrArea, found: Map<string, Buffer>): Promise<void> {
  for (let at = entriesAt; at + 4 <= area.length && area.readUInt32LE(at) !== 0; ) {
    if (at + entryBytes > area.length) throw corrupt('an extended attribute is cut off', place);
    const nameLength = area.readUInt8(at);
    const prefix = prefixes[area.readUInt8(at + 1)];
    const end = at + entryBytes + nameLength;
    if (prefix === undefined || end > area.length) throw corrupt(`an extended attribute of kind ${area.readUInt8(at + 1)}`, place);
    const name = prefix + area.toString('utf8', at + entryBytes, end);
    const valueInode = area.readUInt32LE(at + 4);
    const length = area.readUInt32LE(at + 8);
    const start = valuesAt + area.readUInt16LE(at + 2);
    if (length > largestValueBytes || (valueInode === 0 && length > 0 && start + length > area.length)) {
      throw corrupt(`the extended attribute '${name}' has ${length} bytes`, place);
    }
    const value = valueInode === 0 ? Buffer.from(area.subarray(start, start + length)) : await readValueInode(volume, valueInode, length, place);
    found.set(name, name.startsWith('system.posix_acl_') ? kernelAcl(value, name, place) : value);
    at = entriesAt + Math.ceil((end - entriesAt) / 4) * 4;
  }
}

/** With ea_inode, a long value is the content of an inode of its own. */
async function readValueInode(volume: Volume, number: number, length: number, place: Ext4Place): Promise<Buffer> {
  const inode = await readInode(volume, number);
  if (!hasFlag(inode, InodeFlag.eaInode) || hasFlag(inode, InodeFlag.inlineData) || inode.sizeBytes !== length) {
    throw corrupt(`inode ${number} is not the value of an extended attribute of ${length} bytes`, place);
  }
  const pieces: Buffer[] = [];
  for await (const piece of readMapped(volume, inode)) pieces.push(piece);
  return Buffer.concat(pieces);
}

function verify({ superblock: { checksumSeed } }: Volume, inode: Inode, block: Buffer, place: Ext4Place): void {
  if (checksumSeed === undefined) return;
  const stored = block.readUInt32LE(16);
  const blanked = Buffer.from(block);
  blanked.writeUInt32LE(0, 16);
  const seed = crc32c(checksumSeed, le32(inode.xattrBlock, Math.floor(inode.xattrBlock / 2 ** 32)));
  if (crc32c(seed, blanked) !== stored) throw corrupt('the checksum of a block of extended attributes does not match', place);
}
