import { Readable } from 'node:stream';
import { corrupt } from './ext4-error.ts';
import { decodeFileName } from './file-name.ts';
import { readContent, readSymlink } from './inode/content.ts';
import { readDirectory, type DirectoryEntry } from './inode/directory.ts';
import { deviceNumbers, readInode, rootInode, type Inode, type InodeType } from './inode/inode.ts';
import { readXattrs } from './inode/xattrs.ts';
import type { Volume } from './volume.ts';

/** One name in the tree, with all that its inode says. */
export interface TreeEntry {
  /** `usr/bin/ping`, without a leading slash; the root itself is ``. Bytes that are no UTF-8: see file-name.ts. */
  readonly path: string;
  readonly type: InodeType | 'hardlink';
  /** Permissions with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970 with their fraction, as exact as a number can be. */
  readonly mtime: number;
  /** The exact fraction: it counts up from the whole seconds below `mtime`. */
  readonly mtimeNanoseconds: number;
  readonly sizeBytes: number;
  /** A symlink's target as it stands there, or the path of a hard link's first name. */
  readonly linkTarget?: string;
  readonly deviceMajor?: number;
  readonly deviceMinor?: number;
  /** Full names, `security.capability`, with the values that getxattr gives; sorted. */
  readonly xattrs: ReadonlyMap<string, Buffer>;
  /** The bytes of a file; nothing for all others. */
  content(): Readable;
}

/** mkfs makes it, for e2fsck; it belongs to the file system and not to the tree. */
const lostAndFound = 'lost+found';

/**
 * The whole tree in a fixed order: the root, then depth first, names in the order of their bytes; `lost+found` is left out.
 * @throws ShipError E_EXT4
 */
export async function* walkTree(volume: Volume): AsyncGenerator<TreeEntry> {
  const firstNames = new Map<number, string>();
  /** A directory has one name: one that is met again would never end. */
  const directories = new Set([rootInode]);
  const root = await readInode(volume, rootInode);
  yield await treeEntry(volume, root, '');
  const levels = [{ path: '', names: (await readDirectoryInode(volume, root)).values() }];
  for (let level = levels.at(-1); level; level = levels.at(-1)) {
    const { value: name } = level.names.next();
    if (!name) {
      levels.pop();
      continue;
    }
    if (level.path === '' && name.name === lostAndFound) continue;
    const path = level.path === '' ? name.name : `${level.path}/${name.name}`;
    const inode = await readInode(volume, name.inode);
    if (inode.links === 0) throw corrupt(`'${path}' leads to an inode without links`, { inode: inode.number });
    yield await treeEntry(volume, inode, path, firstNames.get(inode.number));
    if (inode.type === 'directory') {
      if (directories.has(inode.number)) throw corrupt(`the directory '${path}' has a second name`, { inode: inode.number });
      directories.add(inode.number);
      levels.push({ path, names: (await readDirectoryInode(volume, inode)).values() });
    } else if (inode.links > 1 && !firstNames.has(inode.number)) {
      firstNames.set(inode.number, path);
    }
  }
}

async function readDirectoryInode(volume: Volume, inode: Inode): Promise<DirectoryEntry[]> {
  if (inode.type !== 'directory') throw corrupt(`the root is a ${inode.type}`, { inode: inode.number });
  return readDirectory(volume, inode);
}

async function treeEntry(volume: Volume, inode: Inode, path: string, firstName?: string): Promise<TreeEntry> {
  const isDevice = inode.type === 'character' || inode.type === 'block';
  return {
    path,
    type: firstName === undefined ? inode.type : 'hardlink',
    mode: inode.mode,
    uid: inode.uid,
    gid: inode.gid,
    mtime: inode.mtimeSeconds + inode.mtimeNanoseconds / 1e9,
    mtimeNanoseconds: inode.mtimeNanoseconds,
    sizeBytes: inode.sizeBytes,
    ...(await linkTarget(volume, inode, firstName)),
    ...(isDevice ? deviceNumbers(inode) : {}),
    xattrs: await readXattrs(volume, inode),
    content: () => contentOf(volume, inode),
  };
}

async function linkTarget(volume: Volume, inode: Inode, firstName: string | undefined): Promise<{ linkTarget?: string }> {
  if (firstName !== undefined) return { linkTarget: firstName };
  return inode.type === 'symlink' ? { linkTarget: decodeFileName(await readSymlink(volume, inode)) } : {};
}

export function contentOf(volume: Volume, inode: Inode): Readable {
  return Readable.from(inode.type === 'file' ? readContent(volume, inode) : [], { objectMode: false, highWaterMark: 256 * 1024 });
}
