import type { ReleaseImage } from '../manifest.ts';
import type { Release } from '../read-release.ts';
import { formatBillOfMaterials } from './bill-of-materials.ts';
import { readImageContents } from './image-contents.ts';

export interface ReleaseSbomOptions {
  /** The version of prose-ship. */
  readonly toolVersion: string;
  /** Only these images; default: all platforms. */
  readonly select?: (image: ReleaseImage) => boolean;
  readonly signal?: AbortSignal;
}

/**
 * The bill of materials of a release, as CycloneDX JSON: its containers and the packages inside them. It holds no time and not the
 * release's id, so that it can be a part of the release.
 * @throws ShipError E_ARCHIVE_DAMAGED
 */
export async function releaseSbom(release: Release, options: ReleaseSbomOptions): Promise<string> {
  const { name, version } = release.manifest;
  return formatBillOfMaterials({
    subject: { type: 'release', name, version },
    containers: await readImageContents(release, options),
    toolVersion: options.toolVersion,
  });
}
