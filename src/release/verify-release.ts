import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { ShipError } from '../errors.ts';
import { openArchive, verifyArchive } from '../oci/archive/read-archive.ts';
import { samePlatform } from '../oci/platform.ts';
import { checksumsFile, describeFile, formatChecksums, listFiles } from './checksums.ts';
import type { ReleaseFile, ReleaseImage, ReleaseManifest } from './manifest.ts';
import { damagedRelease, manifestFile, readRelease, type Release } from './read-release.ts';
import { planPath, releasePlatforms, rolloutPlan } from './rollout-plan.ts';
import { signatureFile } from './signature/verify-signature.ts';

export interface VerifyOptions {
  /**
   * Whether every blob inside the archives is proven, too (default), or only that the archives are the very files that
   * release.json names. The latter is enough to ship: they were proven when they were written, and the host proves what
   * it has loaded.
   */
  readonly blobs?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/**
 * Proves that a release is complete and unchanged: the manifest against its id, every file against the manifest, every
 * blob of every archive against its digest, plans and SHA256SUMS against the manifest, and nothing besides. Who signed it is
 * asked by `verifySignature`.
 * @throws ShipError E_RELEASE_DAMAGED with every problem found; E_NO_RELEASE
 */
export async function verifyRelease(directory: string, options: VerifyOptions = {}): Promise<Release> {
  const release = await readRelease(directory);
  const { manifest } = release;
  const problems: string[] = [];
  const files = smallFiles(manifest);
  const totalBytes = manifest.images.reduce((sum, { archive }) => sum + archive.sizeBytes, 0);
  let doneBytes = 0;
  for (const file of files) problems.push(...(await checkFile(directory, file, options)));
  for (const image of manifest.images) {
    const found = await checkFile(directory, image.archive, options);
    problems.push(...found, ...(found.length === 0 ? await checkArchive(directory, image, options) : []));
    doneBytes += image.archive.sizeBytes;
    options.onProgress?.(doneBytes, totalBytes);
  }
  problems.push(...(await checkDerived(directory, manifest)));
  if (problems.length > 0) throw damagedRelease(directory, problems);
  return release;
}

function smallFiles({ compose, files, sbom }: ReleaseManifest): ReleaseFile[] {
  return [compose, ...files, ...(sbom ? [sbom] : [])];
}

async function checkFile(directory: string, expected: ReleaseFile, { signal }: VerifyOptions): Promise<string[]> {
  const name = expected.path;
  const found = await stat(path.join(directory, name)).catch(() => undefined);
  if (!found) return [`${name} is missing`];
  if (found.size !== expected.sizeBytes) return [`${name} has ${found.size} bytes instead of ${expected.sizeBytes}`];
  const { digest } = await describeFile(directory, name, signal);
  return digest === expected.digest ? [] : [`${name} has the digest ${digest} instead of ${expected.digest}`];
}

async function checkArchive(directory: string, image: ReleaseImage, { blobs = true, signal }: VerifyOptions): Promise<string[]> {
  try {
    const file = path.join(directory, image.archive.path);
    const archive = await (blobs ? verifyArchive(file, signal ? { signal } : {}) : openArchive(file));
    const same =
      archive.reference === image.reference &&
      archive.configDigest === image.configDigest &&
      samePlatform(archive.platform, image.platform) &&
      archive.diffIds.join() === image.diffIds.join();
    return same ? [] : [`${image.archive.path} holds ${archive.reference}, another image than release.json says`];
  } catch (error) {
    if (error instanceof ShipError && error.code === 'E_ARCHIVE_DAMAGED') return [`${image.archive.path}: ${error.message}`];
    throw error;
  }
}

/** What follows from the manifest: plans, checksums, and the list of files itself. */
async function checkDerived(directory: string, manifest: ReleaseManifest): Promise<string[]> {
  const problems: string[] = [];
  for (const platform of releasePlatforms(manifest)) {
    const text = await readFile(path.join(directory, planPath(platform)), 'utf8').catch(() => undefined);
    if (text !== rolloutPlan(manifest, platform)) problems.push(`${planPath(platform)} is not the plan of release.json`);
  }
  const plans = releasePlatforms(manifest).map(planPath);
  const listed = [...smallFiles(manifest), ...manifest.images.map(({ archive }) => archive)];
  const expected = [manifestFile, checksumsFile, signatureFile, ...plans, ...listed.map((file) => file.path)];
  for (const name of await listFiles(directory)) if (!expected.includes(name)) problems.push(`${name} does not belong to it`);
  const derived = await Promise.all(
    [manifestFile, ...plans].map((name) => describeFile(directory, name).catch(() => undefined)),
  );
  const sums = formatChecksums([...listed, ...derived.filter((file) => file !== undefined)]);
  const text = await readFile(path.join(directory, checksumsFile), 'utf8').catch(() => undefined);
  if (text !== sums) problems.push(`${checksumsFile} is not the list of its files`);
  return problems;
}
