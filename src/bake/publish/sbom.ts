import { samePlatform, type Platform } from '../../oci/platform.ts';
import type { Release } from '../../release/read-release.ts';
import { formatBillOfMaterials } from '../../release/sbom/bill-of-materials.ts';
import { parseDpkgStatus, type DebianPackage } from '../../release/sbom/dpkg-status.ts';
import { readImageContents } from '../../release/sbom/image-contents.ts';
import { parseOsRelease } from '../../release/sbom/os-release.ts';

/** The operating system of a card: the texts of its `/var/lib/dpkg/status` and `/usr/lib/os-release`. */
export interface CardOs {
  readonly packages: string | readonly DebianPackage[];
  readonly osRelease?: string;
}

export interface CardSbomInput {
  readonly release: Release;
  readonly platform: Platform;
  readonly hostname: string;
  readonly os: CardOs;
  /** SOURCE_DATE_EPOCH. */
  readonly created: Date;
  readonly toolVersion: string;
  readonly signal?: AbortSignal;
}

/**
 * The bill of materials of a card, as CycloneDX JSON: the packages of its operating system, and its containers with the
 * packages inside them.
 * @throws ShipError E_ARCHIVE_DAMAGED
 */
export async function cardSbom({ release, platform, hostname, os, created, toolVersion, signal }: CardSbomInput): Promise<string> {
  const { name, version, id } = release.manifest;
  const osRelease = parseOsRelease(os.osRelease ?? '');
  return formatBillOfMaterials({
    subject: { type: 'card', name, version, properties: { release: id, hostname } },
    os: {
      packages: typeof os.packages === 'string' ? parseDpkgStatus(os.packages) : os.packages,
      ...(osRelease ? { release: osRelease } : {}),
    },
    containers: await readImageContents(release, {
      select: (image) => samePlatform(image.platform, platform),
      ...(signal ? { signal } : {}),
    }),
    created,
    toolVersion,
  });
}
