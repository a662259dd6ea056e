import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../../context.ts';
import { ShipError } from '../../errors.ts';
import { explainDiskFull } from '../../host/free-space.ts';
import { fetchDocument } from '../../host/fetch-document.ts';
import { withoutPassword } from '../../host/http-client.ts';
import { resumeDownload } from '../../host/resume-download.ts';
import { pathOfUrl, type BaseReport } from './acquired-base.ts';
import { downloadName, sourceKey, type CachedImage, type ImageCache } from './cache/image-cache.ts';
import { unpackImage } from './unpack.ts';

export interface RemoteImage {
  readonly url: string;
  /** As it is downloaded, where announced. */
  readonly sizeBytes?: number;
  readonly sha256?: string;
  /** Unpacked, where announced. */
  readonly extractBytes?: number;
  readonly extractSha256?: string;
  /** Looks for the image in the cache once more, after waiting for another process that may have made it. */
  readonly find: () => Promise<CachedImage | undefined>;
  /** Keeps for later what it unpacked to; what is remembered counts only with the image itself. */
  readonly remember?: (sha256: string) => Promise<void>;
  /** A last check of the downloaded file before it is unpacked; it may leave files in `directory`. */
  readonly check?: (file: string, directory: string) => Promise<void>;
}

/** A checksum or a signature is smaller. */
const maxDocumentBytes = 64 * 1024;

/**
 * Downloads, checks and unpacks an image into the cache. A download that was cut off is gone on with the next time; of
 * everything else that fails nothing stays.
 * @throws ShipError E_DOWNLOAD, E_DOWNLOAD_SIZE, E_CHECKSUM, E_IMAGE_SIZE, E_IMAGE_CORRUPT, E_IMAGE_EMPTY, E_DISK_FULL, and what `check` throws
 */
export async function downloadImage(context: Context, cache: ImageCache, image: RemoteImage, report: BaseReport): Promise<CachedImage> {
  const name = withoutPassword(image.url);
  const make = async (directory: string): Promise<CachedImage> => {
    const there = await image.find();
    if (there) return there;
    const file = path.join(directory, downloadName);
    const what = `The base image '${name}'`;
    report.log(`Downloading ${name}`);
    const { sizeBytes } = await resumeDownload(context, image.url, file, {
      ...(image.sizeBytes === undefined ? {} : { sizeBytes: image.sizeBytes }),
      ...(image.sha256 === undefined ? {} : { sha256: image.sha256 }),
      onStart: (remainingBytes = 0) => cache.makeRoom({ bytes: remainingBytes + (image.extractBytes ?? 0), what }),
      onProgress: report.progress,
      onRetry: (why) => report.log(`Downloading again: ${why}`, 'warning'),
    });
    await image.check?.(file, directory);
    report.log(`Unpacking ${sizeBytes} bytes`);
    const raw = path.join(directory, 'image.img');
    const { sha256 } = await unpackImage(context, file, raw, {
      name,
      ...(image.extractBytes === undefined ? {} : { sizeBytes: image.extractBytes }),
      ...(image.extractSha256 === undefined ? {} : { sha256: image.extractSha256 }),
      onStart: (bytes) => cache.makeRoom({ bytes, what }),
      onProgress: report.progress,
    }).catch((error: unknown) => {
      throw naming(error, name);
    });
    await rm(file);
    await image.remember?.(sha256);
    return cache.add(raw, sha256);
  };
  try {
    return await cache.making(sourceKey(image.url), isResumable, make);
  } catch (error) {
    throw await explainDiskFull(error, cache.directory, `the base image '${name}'`);
  }
}

/** The sha256 of `url` as a file beside it announces it (`url`.sha256, in the form of sha256sum); undefined where none does. */
export async function fetchChecksum(context: Context, url: string): Promise<string | undefined> {
  const content = await fetchBeside(context, url, '.sha256');
  const fileName = path.posix.basename(pathOfUrl(url));
  const sums = (content?.toString('utf8') ?? '').split('\n').flatMap((line) => {
    const match = /^([0-9a-f]{64})(?:\s+\*?(\S.*?))?\s*$/i.exec(line);
    return match?.[1] ? [{ sha256: match[1].toLowerCase(), name: match[2] }] : [];
  });
  const own = sums.find(({ name }) => name !== undefined && path.posix.basename(name) === fileName);
  return (own ?? (sums.length === 1 ? sums[0] : undefined))?.sha256;
}

/** The document at `url` with a suffix; undefined where there is none, or none that the server gives. */
export async function fetchBeside(context: Context, url: string, suffix: string): Promise<Buffer | undefined> {
  const address = new URL(url);
  address.pathname += suffix;
  return fetchDocument(context, address.href, maxDocumentBytes).catch((error: unknown) => {
    // Object stores answer 403 for what they do not have.
    if (error instanceof ShipError && error.code === 'E_DOWNLOAD') return undefined;
    throw error;
  });
}

/** What is there already is good, it was only not all. */
function isResumable(error: unknown): boolean {
  return error instanceof ShipError && (error.code === 'E_DOWNLOAD' || error.code === 'E_INTERRUPTED');
}

/** Errors of the unpacker speak of the file in the cache, which is gone when they are read. */
function naming(error: unknown, name: string): unknown {
  if (!(error instanceof ShipError) || !error.place) return error;
  const { code, message, remedy, output, exitStatus } = error;
  return new ShipError({ code, message: `'${name}': ${message}`, ...(remedy ? { remedy } : {}), ...(output ? { output } : {}), exitStatus, cause: error });
}
