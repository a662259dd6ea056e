import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { explainDiskFull } from '../../host/free-space.ts';
import { openImageStream, type ImageFormat } from '../image-stream.ts';
import { imageName, type AcquiredBase, type BaseReport } from './acquired-base.ts';
import { sourceKey, type CachedImage, type ImageCache } from './cache/image-cache.ts';
import { unpackImage } from './unpack.ts';

/**
 * An image file of the user. A raw one is used where it lies; a compressed one is unpacked into the cache, once, as long
 * as the file's size and time stay.
 * @throws ShipError E_IMAGE_NOT_FOUND, E_IMAGE_EMPTY, E_IMAGE_CORRUPT, E_IMAGE_FORMAT, E_IMAGE_SIZE, E_BASE_CHANGED, E_DISK_FULL
 */
export async function acquireLocal(context: Context, cache: ImageCache, file: string, report: BaseReport): Promise<AcquiredBase> {
  const format = await formatOf(file);
  const state = await stateOf(file);
  const key = sourceKey(`file ${file}`);
  const name = imageName(path.basename(file));
  const last = await cache.recall(key);
  const lastSha256 = last?.state === state ? last.sha256 : undefined;

  if (format === 'raw') {
    const sha256 = lastSha256 ?? (await hashFile(context, file, report));
    await requireUnchanged(file, state);
    if (lastSha256 === undefined) await cache.remember(key, { state, sha256 });
    return { file, sha256, name, release: () => Promise.resolve() };
  }

  const find = async (): Promise<CachedImage | undefined> => {
    const known = await cache.recall(key);
    return known?.state === state ? cache.use(known.sha256) : undefined;
  };
  const make = async (directory: string): Promise<CachedImage> => {
    const there = await find();
    if (there) return there;
    report.log(`Unpacking ${file}`);
    const raw = path.join(directory, 'image.img');
    const { sha256 } = await unpackImage(context, file, raw, {
      name: file,
      onStart: (bytes) => cache.makeRoom({ bytes, what: `The base image '${file}'` }),
      onProgress: report.progress,
    });
    await requireUnchanged(file, state);
    await cache.remember(key, { state, sha256 });
    return cache.add(raw, sha256);
  };
  try {
    const cached = (await find()) ?? (await cache.making(key, () => false, make));
    return { file: cached.file, sha256: cached.sha256, name, release: () => cached.lease.release() };
  } catch (error) {
    throw await explainDiskFull(error, cache.directory, `the base image '${file}'`);
  }
}

async function formatOf(file: string): Promise<ImageFormat> {
  const { stream, format } = await openImageStream(file);
  // A stream that is destroyed before anybody read from it keeps its file open.
  for await (const chunk of stream as AsyncIterable<Buffer>) if (chunk.length > 0) break;
  return format;
}

async function hashFile(context: Context, file: string, report: BaseReport): Promise<string> {
  const { size } = await stat(file);
  const hash = createHash('sha256');
  let doneBytes = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
    context.signal.throwIfAborted();
    hash.update(chunk);
    doneBytes += chunk.length;
    report.progress(doneBytes, size);
  }
  return hash.digest('hex');
}

async function stateOf(file: string): Promise<string> {
  const { dev, ino, size, mtimeNs } = await stat(file, { bigint: true });
  return [dev, ino, size, mtimeNs].join(' ');
}

async function requireUnchanged(file: string, state: string): Promise<void> {
  if ((await stateOf(file)) === state) return;
  throw new ShipError({
    code: 'E_BASE_CHANGED',
    message: 'The base image changed while it was read',
    place: { file },
    remedy: 'Wait until whatever writes it is done, then run the same command again.',
    exitStatus: ExitStatus.preflight,
  });
}
