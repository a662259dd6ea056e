import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../../../context.ts';
import { ExitStatus, ShipError } from '../../../errors.ts';
import { acquireLease, canLock, type Lease } from '../../../host/engine/lease.ts';
import { writeAtomically } from '../../../host/files.ts';
import { evict, recordFile, removeImage, type EvictionNeed } from './eviction.ts';

/**
 * Raw images by their sha256, below the cache folder:
 *
 *     os-images/index.lock               held while entries are looked up, added or evicted; never for long
 *     os-images/images/SHA256.img        sparse, read-only
 *     os-images/images/SHA256.json       makes it count: its size and time; its own time is that of the last use
 *     os-images/images/SHA256.lock       shared by whoever uses it
 *     os-images/making/KEY/, KEY.lock    where one process at a time makes the image of a source
 *     os-images/sources/KEY.json         what a source was the last time
 */
export interface ImageCache {
  readonly directory: string;
  /** Undefined where it is not there, or not as it was written: then nothing of it stays. */
  use(sha256: string): Promise<CachedImage | undefined>;
  /**
   * Runs `work` with a folder that outlives it only where `keep` says so of its failure; others that make the same wait.
   * Nothing but an unfinished download is left there from earlier.
   */
  making<T>(key: string, keep: (error: unknown) => boolean, work: (directory: string) => Promise<T>): Promise<T>;
  /** @throws ShipError E_DISK_FULL (exit status 3) when it does not fit even without everything that may go */
  makeRoom(need: EvictionNeed): Promise<void>;
  /** Moves a finished image in, and leases it. */
  add(file: string, sha256: string): Promise<CachedImage>;
  remember(key: string, source: RememberedSource): Promise<void>;
  recall(key: string): Promise<RememberedSource | undefined>;
}

export interface CachedImage {
  readonly file: string;
  readonly sha256: string;
  readonly lease: Lease;
}

export interface RememberedSource {
  /** What tells whether the source is still the same: a checksum, an ETag, size and time of a file. */
  readonly state: string;
  readonly sha256: string;
}

interface ImageRecord {
  readonly sizeBytes: number;
  readonly mtimeMs: number;
}

/** The unfinished download and what tells of it (resumeDownload). */
export const downloadName = 'download';
const defaultLimitGigabytes = 20;

/** A name for the folder and the record of a source. */
export function sourceKey(source: string): string {
  return createHash('sha256').update(source).digest('hex').slice(0, 32);
}

/**
 * Opens the cache of base images; PROSE_SHIP_OS_CACHE_GB bounds it (default: 20).
 * @throws ShipError E_OS_CACHE_SIZE (exit status 2)
 */
export async function openImageCache(context: Context): Promise<ImageCache> {
  const directory = path.join(context.cacheDirectory, 'os-images');
  const limitBytes = readLimit(context);
  const openedAtMs = Date.now();
  for (const name of ['images', 'making', 'sources']) await mkdir(path.join(directory, name), { recursive: true });
  const indexLock = path.join(directory, 'index.lock');
  const locked = <T>(work: () => Promise<T>): Promise<T> => withLease(context, indexLock, work);
  const imageFile = (sha256: string): string => path.join(directory, 'images', `${sha256}.img`);
  const makeRoom = (need: EvictionNeed): Promise<void> => locked(() => evict(context, directory, { ...need, limitBytes, sparedFromMs: openedAtMs }));

  const lease = async (sha256: string): Promise<CachedImage> => {
    const now = new Date();
    await utimes(recordFile(imageFile(sha256)), now, now);
    const lock = imageFile(sha256).replace(/img$/, 'lock');
    return { file: imageFile(sha256), sha256, lease: await acquireLease(context, lock, 'shared') };
  };

  return {
    directory,
    use: (sha256) =>
      locked(async () => {
        if (await isAsWritten(imageFile(sha256))) return lease(sha256);
        await removeImage(imageFile(sha256));
        return undefined;
      }),
    async making(key, keep, work) {
      const folder = path.join(directory, 'making', key);
      const lock = `${folder}.lock`;
      if (!(await canLock(lock, 'exclusive'))) {
        context.emit({ type: 'log', level: 'info', message: 'Another prose-ship gets the same base image; waiting for it.' });
      }
      return withLease(context, lock, async () => {
        // Under the lock of the index, because whoever evicts removes folders whose lock is free.
        await locked(() => clearUnfinished(folder));
        let isKept = false;
        try {
          return await work(folder);
        } catch (error) {
          isKept = keep(error);
          throw error;
        } finally {
          await (isKept ? clearUnfinished(folder) : rm(folder, { recursive: true, force: true }));
        }
      });
    },
    makeRoom,
    add: (file, sha256) =>
      locked(async () => {
        const target = imageFile(sha256);
        await removeImage(target);
        await chmod(file, 0o444);
        await rename(file, target);
        const { size: sizeBytes, mtimeMs } = await stat(target);
        await writeAtomically(recordFile(target), (temporary) => writeFile(temporary, JSON.stringify({ sizeBytes, mtimeMs } satisfies ImageRecord)));
        const image = await lease(sha256);
        await evict(context, directory, { bytes: 0, what: '', limitBytes, sparedFromMs: openedAtMs });
        return image;
      }),
    remember: (key, source) => writeAtomically(sourceFile(directory, key), (temporary) => writeFile(temporary, JSON.stringify(source))),
    recall: (key) => readJson<RememberedSource>(sourceFile(directory, key)),
  };
}

/** Size and time, which no write leaves alone, instead of gigabytes to be hashed at every use. */
async function isAsWritten(file: string): Promise<boolean> {
  const record = await readJson<ImageRecord>(recordFile(file));
  const now = await stat(file).catch(() => undefined);
  return record !== undefined && now !== undefined && now.isFile() && now.size === record.sizeBytes && now.mtimeMs === record.mtimeMs;
}

function sourceFile(directory: string, key: string): string {
  return path.join(directory, 'sources', `${key}.json`);
}

async function clearUnfinished(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) {
    if (name !== downloadName && name !== `${downloadName}.json`) await rm(path.join(folder, name), { recursive: true, force: true });
  }
}

async function withLease<T>(context: Context, lock: string, work: () => Promise<T>): Promise<T> {
  const held = await acquireLease(context, lock, 'exclusive');
  try {
    return await work();
  } finally {
    await held.release();
  }
}

async function readJson<T>(file: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

function readLimit({ environment }: Context): number {
  const value = environment['PROSE_SHIP_OS_CACHE_GB'];
  if (value === undefined || value === '') return defaultLimitGigabytes * 1e9;
  const gigabytes = /^\d+(?:\.\d+)?$/.test(value) ? Number(value) : 0;
  if (gigabytes > 0) return gigabytes * 1e9;
  throw new ShipError({
    code: 'E_OS_CACHE_SIZE',
    message: `PROSE_SHIP_OS_CACHE_GB is '${value}', which is no number of gigabytes`,
    remedy: `Set it to a number above 0, or unset it for ${defaultLimitGigabytes}.`,
    exitStatus: ExitStatus.usage,
  });
}
