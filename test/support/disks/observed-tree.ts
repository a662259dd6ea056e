import { createHash } from 'node:crypto';
import path from 'node:path';
import type { Context } from '../../../src/context.ts';
import { run } from '../../../src/host/process.ts';
import type { TreeEntry } from '../../../src/bake/disk/ext4/open-ext4.ts';

/** One name of a tree in a form in which two readings can be compared. */
export interface Observed {
  path: string;
  type: string;
  mode: number;
  uid: number;
  gid: number;
  mtimeNs: string;
  xattrs: Record<string, string>;
  sizeBytes?: number;
  sha256?: string;
  target?: string;
  device?: number[];
  first?: string;
}

const largestHashedBytes = 2 ** 30;

/** A mounted tree, read by Python through the kernel. */
export async function observeMounted(context: Context, directory: string): Promise<Observed[]> {
  const script = path.join(import.meta.dirname, 'observe-tree.py');
  const { stdout } = await run(context, { program: 'python3', args: [script, directory] });
  return stdout.trim().split('\n').map((line) => JSON.parse(line) as Observed);
}

/** The same of what the reader under test gives. */
export async function observeEntries(entries: AsyncIterable<TreeEntry>): Promise<Observed[]> {
  const observed: Observed[] = [];
  const byPath = new Map<string, Observed>();
  for await (const entry of entries) {
    const first = entry.type === 'hardlink' ? byPath.get(entry.linkTarget!) : undefined;
    if (entry.type === 'hardlink' && !first) throw new Error(`'${entry.path}' is linked to '${String(entry.linkTarget)}', which was not there`);
    const type = first?.type ?? entry.type;
    const seconds = BigInt(Math.round(entry.mtime - entry.mtimeNanoseconds / 1e9));
    const one: Observed = {
      path: entry.path,
      type,
      mode: entry.mode,
      uid: entry.uid,
      gid: entry.gid,
      mtimeNs: String(seconds * 1_000_000_000n + BigInt(entry.mtimeNanoseconds)),
      xattrs: Object.fromEntries([...entry.xattrs].map(([name, value]) => [name, value.toString('hex')])),
      ...(type === 'file' ? { sizeBytes: entry.sizeBytes } : {}),
      ...(type === 'symlink' ? { target: first ? first.target! : entry.linkTarget! } : {}),
      ...(type === 'character' || type === 'block' ? { device: [entry.deviceMajor!, entry.deviceMinor!] } : {}),
    };
    if (type === 'file' && entry.sizeBytes <= largestHashedBytes) one.sha256 = first ? first.sha256! : await sha256Of(entry);
    if (first) {
      first.first = first.path;
      one.first = first.path;
    }
    byPath.set(one.path, one);
    observed.push(one);
  }
  return observed;
}

async function sha256Of(entry: TreeEntry): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of entry.content()) hash.update(piece as Buffer);
  return hash.digest('hex');
}
