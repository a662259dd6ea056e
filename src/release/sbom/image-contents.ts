import path from 'node:path';
import { z } from 'zod';
import { openArchive, type Archive } from '../../oci/archive/read-archive.ts';
import type { ReleaseImage, ReleaseManifest } from '../manifest.ts';
import { parseDpkgStatus, type DebianPackage } from './dpkg-status.ts';
import { walkLayers } from '../image-layers.ts';
import { ImageFiles } from './image-files.ts';
import { parseOsRelease, type OsRelease } from './os-release.ts';

/** What a container image of a release is made of. */
export interface ImageContents {
  readonly image: ReleaseImage;
  readonly os?: OsRelease;
  readonly packages: readonly DebianPackage[];
  /** What was built into it besides packages: `/usr/share/prose-ship/component.json`. */
  readonly software?: Software;
}

export interface Software {
  readonly name: string;
  readonly version: string;
}

const statusFile = 'var/lib/dpkg/status';
const osReleaseFiles = ['usr/lib/os-release', 'etc/os-release'];
const softwareFile = 'usr/share/prose-ship/component.json';
const softwareSchema = z.object({ name: z.string().min(1), version: z.string().min(1) });

/**
 * Reads the package databases out of the archives of a release, for all images or those that `select` takes.
 * @throws ShipError E_ARCHIVE_DAMAGED
 */
export async function readImageContents(
  { directory, manifest }: { readonly directory: string; readonly manifest: Pick<ReleaseManifest, 'images'> },
  options: { readonly select?: (image: ReleaseImage) => boolean; readonly signal?: AbortSignal } = {},
): Promise<ImageContents[]> {
  const contents: ImageContents[] = [];
  for (const image of manifest.images.filter(options.select ?? (() => true))) {
    const archive = await openArchive(path.join(directory, image.archive.path));
    const files = contentFiles(archive);
    await walkLayers(archive, [files.visit], options.signal);
    contents.push(imageContents(image, files));
  }
  return contents;
}

/** Gathers the files that tell of contents, for who walks through an image's layers anyway. */
export function contentFiles(archive: Archive): ImageFiles {
  return new ImageFiles(archive, [statusFile, softwareFile, ...osReleaseFiles]);
}

/** @param files of `contentFiles`, after the walk */
export function imageContents(image: ReleaseImage, files: ImageFiles): ImageContents {
  const found = files.contents();
  const text = (name: string) => found.get(name)?.toString('utf8');
  const os = osReleaseFiles.map((name) => parseOsRelease(text(name) ?? '')).find((one) => one !== undefined);
  const software = parseSoftware(text(softwareFile));
  return { image, packages: parseDpkgStatus(text(statusFile) ?? ''), ...(os ? { os } : {}), ...(software ? { software } : {}) };
}

/** An image of somebody else's may have another file of that name; then it says nothing. */
function parseSoftware(text: string | undefined): Software | undefined {
  if (text === undefined) return undefined;
  try {
    return softwareSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
