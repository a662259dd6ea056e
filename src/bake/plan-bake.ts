import path from 'node:path';
import { ExitStatus, ShipError, wrongUsage } from '../errors.ts';
import { formatPlatform, platformSlug, samePlatform, type Platform } from '../oci/platform.ts';
import { releasePlatforms } from '../release/rollout-plan.ts';
import type { Release } from '../release/read-release.ts';
import type { OsSettings } from '../site/model.ts';
import type { Compression } from './assemble/layout-folder.ts';

export type Preload = OsSettings['preload'];

export interface BakeOptions {
  readonly platform?: Platform;
  readonly base?: string;
  readonly preload?: Preload;
  /** `….img.xz`, `….img`, or a folder (existing, or with a slash at its end). */
  readonly output?: string;
  readonly outputDirectory: string;
  readonly compression?: Compression;
}

/** What will be baked; plain data. */
export interface BakePlan {
  readonly name: string;
  readonly release: string;
  readonly platform: Platform;
  readonly base: string;
  readonly preload: Preload;
  readonly hostname: string;
  readonly user: string;
  /** The raw image; the compressed one has `.xz` behind it. */
  readonly imageFile: string;
  /** False: only the compressed one stays. */
  readonly keepsRaw: boolean;
  readonly compression: Compression;
  readonly sizeBytes?: number;
}

/** A finished image is downloaded and flashed many times and made once; levels above cost minutes for a few percent (bench/RESULTS.md). */
export const defaultLevel = 1;

/**
 * @throws ShipError E_WRONG_ARCHITECTURE (exit status 3) when the release has nothing for the platform, E_USAGE
 */
export function planBake(os: OsSettings, release: Release, options: BakeOptions): BakePlan {
  const { manifest } = release;
  const platform = choosePlatform(release, options.platform);
  const stem = `${manifest.name}-${platformSlug(platform)}`;
  const output = options.output === undefined ? undefined : path.resolve(options.output);
  const isFile = output !== undefined && /\.img(\.xz)?$/.test(output);
  if (options.output !== undefined && !isFile && path.extname(options.output) !== '' && !options.output.endsWith('/')) {
    throw wrongUsage(`--output is '${options.output}', neither a folder nor an .img or .img.xz`, `Name a folder, or a file such as ${stem}.img.xz.`);
  }
  const keepsRaw = isFile && output.endsWith('.img');
  const imageFile = isFile ? output.replace(/\.xz$/, '') : path.join(output ?? path.join(options.outputDirectory, 'os-image'), `${stem}.img`);
  const compression: Compression = options.compression ?? (keepsRaw ? { kind: 'none' } : { kind: 'xz', level: defaultLevel });
  return Object.freeze({
    name: manifest.name,
    release: manifest.id,
    platform,
    base: options.base ?? os.base,
    preload: options.preload ?? os.preload,
    hostname: os.hostname,
    user: os.user,
    imageFile,
    keepsRaw,
    compression,
    ...(os.sizeBytes === undefined ? {} : { sizeBytes: os.sizeBytes }),
  });
}

/** The one named, else arm64 where the release has it: all models that prose-ship is for run it. */
function choosePlatform({ manifest }: Release, wanted: Platform | undefined): Platform {
  const has = releasePlatforms(manifest);
  const chosen = wanted ?? has.find(({ architecture }) => architecture === 'arm64') ?? has.find(({ architecture }) => architecture === 'arm');
  const found = chosen && has.find((platform) => samePlatform(platform, chosen));
  if (found && (found.architecture === 'arm64' || found.architecture === 'arm')) return found;
  throw new ShipError({
    code: 'E_WRONG_ARCHITECTURE',
    message: `Release ${manifest.id} has no images for ${wanted ? formatPlatform(wanted) : 'a Raspberry Pi'}, only for ${has.map(formatPlatform).join(', ')}`,
    remedy: 'Add linux/arm64 or linux/arm/v7 to the site\'s `platforms`, and make the release again.',
    exitStatus: ExitStatus.preflight,
  });
}
