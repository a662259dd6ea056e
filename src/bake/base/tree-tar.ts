import { ustarEnd, ustarPadding } from '../../oci/archive/ustar.ts';
import type { TreeEntry } from '../disk/ext4/open-ext4.ts';
import { tarHeader } from './tar-header.ts';

export interface TreeTarOptions {
  /** Names that an image layer cannot hold, one by one, with the reason. */
  readonly onLeftOut?: (path: string, reason: string) => void;
}

/** Many small members make one write. */
const pieceBytes = 256 * 1024;
/** Names that begin so delete others in an image layer (OCI image-spec, layer.md, Whiteouts). */
const whiteoutPrefix = '.wh.';

/**
 * A tree as an uncompressed tar archive that serves as an image layer: numeric owners, times to the nanosecond, extended
 * attributes; in the order of the tree, so that the same tree gives the same bytes. Sockets, whiteouts and what is below or
 * linked to them are left out.
 */
export async function* treeTar(entries: AsyncIterable<TreeEntry>, options: TreeTarOptions = {}): AsyncGenerator<Buffer> {
  const leftOut = new Set<string>();
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const entry of entries) {
    const reason = whyLeftOut(entry, leftOut);
    if (reason) {
      leftOut.add(entry.path);
      options.onLeftOut?.(entry.path, reason);
      continue;
    }
    for await (const piece of member(entry)) {
      pending.push(piece);
      pendingBytes += piece.length;
      if (pendingBytes < pieceBytes) continue;
      yield Buffer.concat(pending);
      pending = [];
      pendingBytes = 0;
    }
  }
  yield Buffer.concat([...pending, ustarEnd]);
}

async function* member(entry: TreeEntry): AsyncGenerator<Buffer> {
  const { type, mtime, mtimeNanoseconds, sizeBytes } = entry;
  if (type === 'socket') return;
  const contentBytes = type === 'file' ? sizeBytes : 0;
  const path = type === 'directory' ? `${entry.path || '.'}/` : entry.path;
  // A fraction may round up to the next second.
  const mtimeSeconds = Math.round(mtime - mtimeNanoseconds / 1e9);
  yield tarHeader({ ...entry, type, path, mtimeSeconds, sizeBytes: contentBytes, xattrs: type === 'hardlink' ? new Map() : entry.xattrs });
  if (contentBytes === 0) return;
  yield* entry.content() as AsyncIterable<Buffer>;
  yield ustarPadding(contentBytes);
}

function whyLeftOut(entry: TreeEntry, leftOut: ReadonlySet<string>): string | undefined {
  const slash = entry.path.lastIndexOf('/');
  if (entry.type === 'socket') return 'a socket without its process';
  if (entry.path.startsWith(whiteoutPrefix, slash + 1)) return 'such a name deletes another one in an image layer';
  if (entry.type === 'character' && entry.deviceMajor === 0 && entry.deviceMinor === 0) return 'device 0:0 is a deleted name of overlayfs';
  if (entry.type === 'hardlink' && leftOut.has(entry.linkTarget ?? '')) return 'its first name is left out';
  return leftOut.has(entry.path.slice(0, Math.max(slash, 0))) ? 'its directory is left out' : undefined;
}
