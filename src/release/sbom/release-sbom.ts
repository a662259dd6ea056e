import type { ReleaseManifest } from '../manifest.ts';
import { formatBillOfMaterials } from './bill-of-materials.ts';
import { readImageContents, type ImageContents } from './image-contents.ts';

/** Below `images/`, which is not sent to devices: there the plan says what must be there. */
export const sbomFile = 'images/sbom.cdx.json';

/** What a bill of materials needs of a release, so that it can be made before the release is. */
export interface ReleaseOfImages {
  readonly directory: string;
  readonly manifest: Pick<ReleaseManifest, 'name' | 'version' | 'images'>;
}

/**
 * The bill of materials of a release, as CycloneDX JSON: its containers and the packages inside them. It is a part of the
 * release, so it holds no time, no id, and not the version of prose-ship: the same images have the same one.
 * @param contents of its images, where they are known; default: read from its archives
 * @throws ShipError E_ARCHIVE_DAMAGED
 */
export async function releaseSbom(release: ReleaseOfImages, contents?: readonly ImageContents[]): Promise<string> {
  const { name, version } = release.manifest;
  const containers = contents ?? (await readImageContents(release));
  return formatBillOfMaterials({ subject: { type: 'release', name, version }, containers });
}
