import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { ExitStatus, ShipError } from '../errors.ts';
import { digestOf, type Digest } from '../oci/digest.ts';
import { openArchive } from '../oci/archive/read-archive.ts';
import { formatPlatform, platformSlug, samePlatform, type Platform } from '../oci/platform.ts';
import { checksumsFile, formatChecksums } from './checksums.ts';
import type { ReleaseManifest } from './manifest.ts';
import { manifestFile, type Release } from './read-release.ts';
import { planPath, releasePlatforms } from './rollout-plan.ts';
import { isSigned, signatureFile } from './signature/verify-signature.ts';

/** One file of a release as a device gets it; `path` is relative to the release's folder there. */
export type UploadFile = { readonly path: string; readonly sizeBytes: number; readonly digest: Digest } & (
  | { readonly kind: 'copy'; /** Absolute. */ readonly source: string }
  | { readonly kind: 'text'; readonly content: string }
);

export interface UploadRequest {
  readonly platform: Platform;
  /** Whether this platform's archives are among them; without: the engine has the images already. */
  readonly archives: boolean;
}

/**
 * What a device of one platform gets of a release, as an upload looks (docs/internals/device.md). Digests of archives are
 * those of release.json.
 * @throws ShipError E_WRONG_ARCHITECTURE when the release has nothing for the platform, exit status 3
 */
export async function uploadFiles({ directory, manifest }: Release, { platform, archives }: UploadRequest): Promise<UploadFile[]> {
  const images = manifest.images.filter((image) => samePlatform(image.platform, platform));
  if (images.length === 0) throw wrongPlatform(manifest, platform);
  const files: UploadFile[] = [];
  for (const name of await smallFileNames({ directory, manifest })) files.push(await smallFile(directory, name));
  files.push(textFile('platform', `${platformSlug(platform)}\n`));
  if (!archives) return files;
  for (const { component, archive } of images) {
    const source = path.join(directory, archive.path);
    files.push({ kind: 'copy', path: archivePath(component), source, sizeBytes: archive.sizeBytes, digest: archive.digest });
    // How much the engine will unpack: the updater asks its disk before it loads.
    const { layers } = await openArchive(source);
    files.push(textFile(`images/${component}.size`, `${layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)}\n`));
  }
  files.push(textFile('UPLOAD.sha256', formatChecksums(images.map(({ component, archive }) => ({ path: archivePath(component), digest: archive.digest })))));
  return files;
}

/** Everything of a release but its archives, a few KiB: names relative to its folder, here as on a device. */
export async function smallFileNames({ directory, manifest }: Release): Promise<readonly string[]> {
  const names = [manifestFile, checksumsFile, manifest.compose.path, ...manifest.files.map((one) => one.path), ...releasePlatforms(manifest).map(planPath)];
  if (await isSigned(directory)) names.push(signatureFile);
  return [...new Set(names)];
}

function archivePath(component: string): string {
  return `images/${component}.tar.zst`;
}

async function smallFile(directory: string, name: string): Promise<UploadFile> {
  const source = path.join(directory, name);
  return { kind: 'copy', path: name, source, sizeBytes: (await stat(source)).size, digest: digestOf(await readFile(source)) };
}

function textFile(name: string, content: string): UploadFile {
  return { kind: 'text', path: name, content, sizeBytes: Buffer.byteLength(content), digest: digestOf(content) };
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
