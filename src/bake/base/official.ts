import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../../context.ts';
import { ShipError } from '../../errors.ts';
import { formatPlatform, type Platform } from '../../oci/platform.ts';
import { imageName, pathOfUrl, type AcquiredBase, type BaseReport } from './acquired-base.ts';
import { sourceKey, type CachedImage, type ImageCache } from './cache/image-cache.ts';
import { downloadImage, fetchBeside, fetchChecksum } from './download.ts';
import { findOfficialImage, type OfficialBase, type OfficialImage } from './os-list.ts';
import { checkSignature, raspberryPiKey } from './signature.ts';

export interface OfficialRequest {
  readonly base: OfficialBase;
  readonly platform: Platform;
  readonly report: BaseReport;
  /** Fingerprint of the key that signs the images. Default: Raspberry Pi's. */
  readonly signer?: string;
}

/**
 * The newest image of Raspberry Pi OS of that kind. Where the list cannot be reached, it is the one that the list named
 * the last time, if the cache has it still; a warning says so.
 * @throws ShipError E_OS_LIST, E_BASE_PLATFORM, E_SIGNATURE, and what `downloadImage` throws
 */
export async function acquireOfficial(context: Context, cache: ImageCache, request: OfficialRequest): Promise<AcquiredBase> {
  const { base, platform, report } = request;
  const key = sourceKey(`official ${base} ${formatPlatform(platform)}`);
  let image: OfficialImage;
  try {
    image = await findOfficialImage(context, base, platform);
  } catch (error) {
    const last = isUnreachable(error) ? await useLast(cache, key) : undefined;
    if (!last) throw error;
    report.log(`The list of Raspberry Pi's images cannot be reached: '${base}' is the image of ${last.image.releaseDate}, as the last time.`, 'warning');
    return acquired(last.image, last.cached);
  }
  const cached = (await cache.use(image.extractSha256)) ?? (await downloadOfficial(context, cache, image, request));
  // Only now: an image that cannot be had must not replace the one that could.
  await cache.remember(key, { state: JSON.stringify(image), sha256: image.extractSha256 }).catch(async (error: unknown) => {
    await cached.lease.release();
    throw error;
  });
  return acquired(image, cached);
}

async function downloadOfficial(context: Context, cache: ImageCache, image: OfficialImage, request: OfficialRequest): Promise<CachedImage> {
  const sha256 = image.downloadSha256 ?? (await fetchChecksum(context, image.url));
  const remote = {
    url: image.url,
    sizeBytes: image.downloadBytes,
    ...(sha256 === undefined ? {} : { sha256 }),
    extractBytes: image.extractBytes,
    extractSha256: image.extractSha256,
    find: () => cache.use(image.extractSha256),
    check: (file: string, directory: string) => checkOfficialSignature(context, image, file, directory, request),
  };
  return downloadImage(context, cache, remote, request.report);
}

async function checkOfficialSignature(context: Context, { url }: OfficialImage, file: string, directory: string, request: OfficialRequest): Promise<void> {
  const signature = await fetchBeside(context, url, '.sig');
  const name = imageName(pathOfUrl(url));
  if (!signature) {
    request.report.log(`There is no signature beside '${name}'; its checksums come from the list alone.`);
    return;
  }
  const signatureFile = path.join(directory, 'signature');
  await writeFile(signatureFile, signature);
  const outcome = await checkSignature(context, file, signatureFile, name, request.signer ?? raspberryPiKey);
  if (outcome.kind === 'unchecked') request.report.log(outcome.message, 'warning');
  else request.report.log(`The signature of '${name}' is good.`);
}

function isUnreachable(error: unknown): boolean {
  return error instanceof ShipError && error.code === 'E_OS_LIST' && error.cause instanceof ShipError && error.cause.code === 'E_DOWNLOAD';
}

async function useLast(cache: ImageCache, key: string): Promise<{ image: OfficialImage; cached: CachedImage } | undefined> {
  const last = await cache.recall(key);
  const cached = last && (await cache.use(last.sha256));
  return cached && { image: JSON.parse(last.state) as OfficialImage, cached };
}

function acquired({ url, releaseDate, initFormat }: OfficialImage, { file, sha256, lease }: CachedImage): AcquiredBase {
  return {
    file,
    sha256,
    name: imageName(pathOfUrl(url)),
    releaseDate,
    ...(initFormat === undefined ? {} : { initFormat }),
    release: () => lease.release(),
  };
}
