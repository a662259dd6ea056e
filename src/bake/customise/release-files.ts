import { constants, copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { devicePaths } from '../../device/files.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { openArchive } from '../../oci/archive/read-archive.ts';
import { formatPlatform, platformSlug, samePlatform, type Platform } from '../../oci/platform.ts';
import { checksumsFile, formatChecksums } from '../../release/checksums.ts';
import type { ReleaseManifest } from '../../release/manifest.ts';
import { manifestFile } from '../../release/read-release.ts';
import { planPath, releasePlatforms } from '../../release/rollout-plan.ts';
import { isSigned, signatureFile } from '../../release/signature/verify-signature.ts';

export interface ReleaseForCard {
  readonly manifest: ReleaseManifest;
  readonly releaseDirectory: string;
  readonly platform: Platform;
  readonly preload: 'store' | 'archive';
}

/**
 * Lays a release below `root` as an upload looks after `receive` (docs/internals/device.md): with this platform's archives for
 * `archive`, with none for `store`, where the engine has the images already.
 * @returns the paths of its files below `root`
 * @throws ShipError E_WRONG_ARCHITECTURE when the release has nothing for the platform, exit status 3
 */
export async function layRelease(root: string, { manifest, releaseDirectory, platform, preload }: ReleaseForCard): Promise<string[]> {
  const images = manifest.images.filter((image) => samePlatform(image.platform, platform));
  if (images.length === 0) throw wrongPlatform(manifest, platform);
  const directory = path.posix.join(devicePaths.releasesDirectory.slice(1), manifest.id);
  const laid: string[] = [];
  const target = async (name: string) => {
    const file = path.posix.join(directory, name);
    await mkdir(path.join(root, path.dirname(file)), { recursive: true });
    laid.push(file);
    return path.join(root, file);
  };
  const copy = async (from: string, to: string) => copyFile(path.join(releaseDirectory, from), await target(to), constants.COPYFILE_FICLONE);
  const plans = releasePlatforms(manifest).map(planPath);
  for (const name of [manifestFile, checksumsFile, manifest.compose.path, ...manifest.files.map((one) => one.path), ...plans]) await copy(name, name);
  if (await isSigned(releaseDirectory)) await copy(signatureFile, signatureFile);
  await writeFile(await target('platform'), `${platformSlug(platform)}\n`);
  if (preload === 'store') return laid;
  for (const { component, archive } of images) {
    await copy(archive.path, archivePath(component));
    // How much the engine will unpack: the updater asks its disk before it loads.
    const { layers } = await openArchive(path.join(releaseDirectory, archive.path));
    const unpackedBytes = layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    await writeFile(await target(`images/${component}.size`), `${unpackedBytes}\n`);
  }
  const sums = images.map(({ component, archive }) => ({ path: archivePath(component), digest: archive.digest }));
  await writeFile(await target('UPLOAD.sha256'), formatChecksums(sums));
  return laid;
}

function archivePath(component: string): string {
  return `images/${component}.tar.zst`;
}

function wrongPlatform(manifest: ReleaseManifest, platform: Platform): ShipError {
  const has = releasePlatforms(manifest).map(formatPlatform).join(', ');
  return new ShipError({
    code: 'E_WRONG_ARCHITECTURE',
    message: `Release ${manifest.id} has no images for ${formatPlatform(platform)}, only for ${has}`,
    remedy: `Choose one of its platforms with \`--platform\`, or add ${formatPlatform(platform)} to the site's \`platforms\` and make the release again.`,
    exitStatus: ExitStatus.preflight,
  });
}
