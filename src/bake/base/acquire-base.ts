import path from 'node:path';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { Platform } from '../../oci/platform.ts';
import type { AcquiredBase, BaseReport } from './acquired-base.ts';
import { openImageCache } from './cache/image-cache.ts';
import { acquireLocal } from './local.ts';
import { acquireOfficial } from './official.ts';
import { officialBases, type OfficialBase } from './os-list.ts';
import { acquireUrl } from './url.ts';

export type { AcquiredBase, BaseReport } from './acquired-base.ts';

export interface BaseRequest {
  /** `raspios-lite`, `raspios-legacy`, the absolute path of an image file, or an http(s) address. */
  readonly base: string;
  readonly platform: Platform;
  readonly report: BaseReport;
  /** Fingerprint of the key that signs official images. Default: Raspberry Pi's. */
  readonly signer?: string;
}

/**
 * Brings a base image onto this machine as a raw image file, out of the cache where it can. Whether it is for `platform`
 * is told by the image itself, later. Whoever is done with it calls `release`.
 * @throws ShipError E_BASE_UNKNOWN, E_BASE_PLATFORM (exit status 2), E_OS_LIST, E_DISK_FULL (exit status 3), E_DOWNLOAD,
 *   E_DOWNLOAD_SIZE, E_CHECKSUM, E_SIGNATURE, E_IMAGE_SIZE, E_IMAGE_NOT_FOUND, E_IMAGE_EMPTY, E_IMAGE_CORRUPT, E_IMAGE_FORMAT,
 *   E_BASE_CHANGED, E_OS_CACHE_SIZE, E_INTERRUPTED
 */
export async function acquireBase(context: Context, request: BaseRequest): Promise<AcquiredBase> {
  const { base, report } = request;
  if (base === 'debian') throw new TypeError('The base debian is no image to acquire: it is made in the build.');
  const isOfficial = Object.hasOwn(officialBases, base);
  const isUrl = /^https?:\/\//i.test(base);
  if (!isOfficial && !isUrl && !path.isAbsolute(base)) throw unknownBase(base);
  const cache = await openImageCache(context);
  if (isOfficial) return acquireOfficial(context, cache, { ...request, base: base as OfficialBase });
  return isUrl ? acquireUrl(context, cache, base, report) : acquireLocal(context, cache, base, report);
}

function unknownBase(base: string): ShipError {
  return new ShipError({
    code: 'E_BASE_UNKNOWN',
    message: `There is no base '${base}'`,
    remedy: `Use debian, ${Object.keys(officialBases).join(', ')}, the path of an image file, or its http(s) address.`,
    exitStatus: ExitStatus.usage,
  });
}
