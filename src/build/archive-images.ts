import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../context.ts';
import { ShipError } from '../errors.ts';
import { writeAtomically } from '../host/files.ts';
import { openArchive } from '../oci/archive/read-archive.ts';
import { writeArchive, type ArchiveOptions } from '../oci/archive/write-archive.ts';
import { digestOf, shortDigest } from '../oci/digest.ts';
import { readLayout, type LayoutImage } from '../oci/layout.ts';
import { formatPlatform, platformSlug, samePlatform, type Platform } from '../oci/platform.ts';
import { formatReference } from '../oci/reference.ts';

/** A component whose image has been built into a layout directory, for the platforms wanted. */
export interface BuiltComponent {
  readonly name: string;
  readonly repository: string;
  readonly version: string;
  readonly layoutDirectory: string;
  readonly platforms: readonly Platform[];
}

export interface ImageArchive {
  readonly component: string;
  readonly platform: Platform;
  readonly reference: string;
  readonly file: string;
  readonly sizeBytes: number;
  /** It was there already, of the same image. */
  readonly unchanged: boolean;
}

/**
 * The immutable reference of a component: its tag is the version and a digest over the configs of all its platforms, so
 * one Compose file serves every platform, and a component that did not change keeps its reference from release to release.
 */
function componentReference(component: Pick<BuiltComponent, 'repository' | 'version'>, images: readonly LayoutImage[]): string {
  const content = images.map(({ platform, configDigest }) => `${formatPlatform(platform)} ${configDigest}\n`).sort();
  const version = component.version.replaceAll('+', '_'); // not allowed in tags
  return formatReference({ repository: component.repository, tag: `${version}-${shortDigest(digestOf(content.join('')))}` });
}

/** Where the archive of a component is written: `images/server-13.0.1-linux-arm64.tar.zst`. */
function archiveFile(outputDirectory: string, { name, version }: BuiltComponent, platform: Platform): string {
  return path.join(outputDirectory, 'images', `${name}-${version}-${platformSlug(platform)}.tar.zst`);
}

/**
 * Writes one archive per platform of a built component; one that holds the same image already is left alone.
 * @throws ShipError E_IMAGE_MISSING when the layout has no image for a platform
 */
export async function archiveComponent(
  context: Context,
  component: BuiltComponent,
  outputDirectory: string,
  onProgress?: ArchiveOptions['onProgress'],
): Promise<ImageArchive[]> {
  const layout = await readLayout(component.layoutDirectory);
  const images = component.platforms.map((platform) => findImage(component, layout, platform));
  const reference = componentReference(component, images);
  const archives: ImageArchive[] = [];
  for (const image of images) {
    const file = archiveFile(outputDirectory, component, image.platform);
    const unchanged = await holds(file, reference, image);
    if (!unchanged) {
      await writeAtomically(file, (temporary) =>
        writeArchive(image, reference, temporary, { signal: context.signal, ...(onProgress ? { onProgress } : {}) }),
      );
    }
    const { size: sizeBytes } = await stat(file);
    archives.push({ component: component.name, platform: image.platform, reference, file, sizeBytes, unchanged });
  }
  return archives;
}

function findImage({ name, layoutDirectory }: BuiltComponent, images: readonly LayoutImage[], platform: Platform): LayoutImage {
  const found = images.find((image) => samePlatform(image.platform, platform));
  if (found) return found;
  throw new ShipError({
    code: 'E_IMAGE_MISSING',
    message: `The build of '${name}' has no image for ${formatPlatform(platform)}, only for ${images.map((image) => formatPlatform(image.platform)).join(', ') || 'nothing'}`,
    place: { file: layoutDirectory },
    remedy: `Build it again with \`prose-ship build ${name} --platform ${formatPlatform(platform)}\`.`,
  });
}

async function holds(file: string, reference: string, image: LayoutImage): Promise<boolean> {
  const archive = await openArchive(file).catch(() => undefined);
  return archive?.reference === reference && archive.configDigest === image.configDigest;
}
