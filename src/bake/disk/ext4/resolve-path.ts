import { decodeFileName } from './file-name.ts';
import { readSymlink } from './inode/content.ts';
import { readDirectory } from './inode/directory.ts';
import { readInode, rootInode, type Inode } from './inode/inode.ts';
import type { Volume } from './volume.ts';

/** As many as Linux follows (path_resolution(7)). */
const mostSymlinks = 40;

/** The inode that a path leads to, symlinks followed within the file system; undefined when there is none. */
export async function resolvePath(volume: Volume, path: string): Promise<Inode | undefined> {
  const root = await readInode(volume, rootInode);
  let parents: Inode[] = [];
  let inode = root;
  let rest = path.split('/');
  for (let symlinks = 0; rest.length > 0; ) {
    const [name = '', ...further] = rest;
    rest = further;
    if (name === '' || name === '.') continue;
    if (inode.type !== 'directory') return undefined;
    if (name === '..') {
      inode = parents.pop() ?? root;
      continue;
    }
    const entry = (await readDirectory(volume, inode)).find((candidate) => candidate.name === name);
    if (!entry) return undefined;
    const next = await readInode(volume, entry.inode);
    if (next.type !== 'symlink') {
      parents.push(inode);
      inode = next;
      continue;
    }
    if (++symlinks > mostSymlinks) return undefined;
    const target = decodeFileName(await readSymlink(volume, next));
    rest = [...target.split('/'), ...rest];
    if (target.startsWith('/')) {
      inode = root;
      parents = [];
    }
  }
  return inode;
}
