import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../../../context.ts';
import { canLock } from '../../../host/engine/lease.ts';
import { freeBytes, tooLittleSpace } from '../../../host/free-space.ts';

export interface EvictionNeed {
  /** What is about to be written, at most. */
  readonly bytes: number;
  /** For the error: `the image`. */
  readonly what: string;
}

interface EvictionLimits extends EvictionNeed {
  readonly limitBytes: number;
  /** What was used after this moment stays: another bake has just made it, and is about to use it. */
  readonly sparedFromMs: number;
}

interface Entry {
  readonly file: string;
  readonly allocatedBytes: number;
  readonly usedAtMs: number;
}

/** A download that nobody went on with for so long is abandoned. */
const abandonedMs = 7 * 24 * 60 * 60 * 1000;

/**
 * Removes images, least recently used first, until `bytes` more are within the limit and fit on the disk. The caller
 * holds the lock of the index, so nobody begins to use one meanwhile.
 * @throws ShipError E_DISK_FULL (exit status 3)
 */
export async function evict(context: Context, directory: string, need: EvictionLimits): Promise<void> {
  await removeAbandoned(path.join(directory, 'making'));
  const entries = await listImages(path.join(directory, 'images'));
  let totalBytes = entries.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0) + (await allocatedBelow(path.join(directory, 'making')));
  let free = await freeBytes(directory);
  for (const entry of entries.toSorted((a, b) => a.usedAtMs - b.usedAtMs)) {
    if (totalBytes + need.bytes <= need.limitBytes && free >= need.bytes) return;
    const lock = entry.file.replace(/img$/, 'lock');
    if (entry.usedAtMs >= need.sparedFromMs || !(await canLock(lock, 'exclusive'))) continue;
    await removeImage(entry.file);
    await rm(lock, { force: true });
    totalBytes -= entry.allocatedBytes;
    free = await freeBytes(directory);
    context.emit({ type: 'log', level: 'debug', message: `Removed ${entry.file} from the cache of base images.` });
  }
  if (free < need.bytes) throw tooLittleSpace(directory, need.bytes, free, need.what);
  if (totalBytes + need.bytes > need.limitBytes) {
    const message = `The cache of base images grows beyond the ${need.limitBytes / 1e9} GB of PROSE_SHIP_OS_CACHE_GB: nothing more can be removed.`;
    context.emit({ type: 'log', level: 'warning', message });
  }
}

export function recordFile(imageFile: string): string {
  return imageFile.replace(/img$/, 'json');
}

/** The record first: an image without one does not count. */
export async function removeImage(file: string): Promise<void> {
  await rm(recordFile(file), { force: true });
  await rm(file, { force: true });
}

/** All that count; what does not, because its writer died, is removed on the way. */
async function listImages(directory: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const name of await readdir(directory)) {
    const file = path.join(directory, name);
    if (name.endsWith('.tmp')) await rm(file, { force: true });
    if (!name.endsWith('.img')) continue;
    const record = await stat(recordFile(file)).catch(() => undefined);
    if (record) entries.push({ file, allocatedBytes: await allocated(file), usedAtMs: record.mtimeMs });
    else await removeImage(file);
  }
  return entries;
}

/** What a killed process left half-made goes at once; an unfinished download stays for a while, to be gone on with. */
async function removeAbandoned(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const folder = path.join(directory, name);
    if (name.endsWith('.lock') || !(await canLock(`${folder}.lock`, 'exclusive'))) continue;
    const { mtimeMs } = await stat(folder).catch(() => ({ mtimeMs: Infinity }));
    const download = await stat(path.join(folder, 'download')).catch(() => undefined);
    if (!download || Math.max(mtimeMs, download.mtimeMs) < Date.now() - abandonedMs) await rm(folder, { recursive: true, force: true });
  }
}

async function allocatedBelow(directory: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(directory, { recursive: true })) bytes += await allocated(path.join(directory, name));
  return bytes;
}

/** Holes do not count; folders hardly do. */
async function allocated(file: string): Promise<number> {
  return stat(file).then(({ blocks }) => blocks * 512, () => 0);
}
