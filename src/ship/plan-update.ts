import path from 'node:path';
import semver from 'semver';
import { effectiveMinimum } from '../device/engine-minimum.ts';
import type { HostInventory, KeptRelease } from '../device/inventory.ts';
import { ExitStatus, ShipError } from '../errors.ts';
import { partialArchive, type PartialArchive } from '../oci/archive/partial-archive.ts';
import { openArchive, type Archive } from '../oci/archive/read-archive.ts';
import { formatPlatform, samePlatform, type Platform } from '../oci/platform.ts';
import { releasePlatforms } from '../release/rollout-plan.ts';
import type { Release } from '../release/read-release.ts';
import type { DataPolicy } from '../site/model.ts';

/** What an update of one host will do; plain data, made without touching the host. */
export interface UpdatePlan {
  readonly host: string;
  readonly release: string;
  readonly version: string;
  readonly platform: Platform;
  /** What the release asks of the one that runs there, and of the engine. */
  readonly conditions: UpdateConditions;
  /** The release that runs there now. */
  readonly current?: KeptRelease;
  /** The release is on the host already: nothing is sent. */
  readonly isKept: boolean;
  readonly images: readonly PlannedImage[];
  /** Bytes of archives that cross the link; what describes the release adds a few KiB. */
  readonly sendBytes: number;
  /** What the same archives are whole. */
  readonly fullBytes: number;
}

export interface UpdateConditions {
  readonly dataVersion: number;
  /** How its data comes to the names under which the release looks for it; absent: they stay. */
  readonly rename?: DataRenaming;
  readonly recipe: { readonly name: string; readonly version: string };
  readonly upgradeFrom?: string;
  /** Oldest versions that do, three numbers each. */
  readonly engine: string;
  readonly compose: string;
  /** The release runs on a host without an engine, and on no other. */
  readonly withoutEngine?: boolean;
}

/** Names of data, such as a domain, that the release has otherwise than what runs. */
export interface DataRenaming {
  readonly changes: readonly { readonly from: string; readonly to: string }[];
  /** Why nothing can rename the data; absent: `--rename-domain` does. */
  readonly impossible?: string;
}

export interface PlannedImage {
  readonly component: string;
  readonly reference: string;
  readonly layers: number;
  /** Layers that are sent; 0 with `sendBytes` 0 when the image is there under this reference. */
  readonly sentLayers: number;
  readonly sendBytes: number;
  readonly fullBytes: number;
  /** Sent layers, unpacked: what the engine's disk must take. */
  readonly unpackedBytes: number;
  readonly compression: 'zstd' | 'gzip';
}

/** An image whose archive has been opened on this side. */
export interface OpenedImage {
  readonly component: string;
  readonly reference: string;
  readonly archive: Archive;
}

/** Archives with zstd are loaded by engines from 23.0 on (moby, pkg/archive); older ones are sent gzip. */
const firstZstdEngine = '23.0.0';

/** The archives of a release for one platform. */
export async function openImages({ directory, manifest }: Release, platform: Platform): Promise<OpenedImage[]> {
  const images = manifest.images.filter((image) => samePlatform(image.platform, platform));
  return Promise.all(
    images.map(async ({ component, reference, archive }) => ({
      component,
      reference,
      archive: await openArchive(path.join(directory, archive.path)),
    })),
  );
}

/**
 * The platform of a release that fits a host: the first that the host says it runs.
 * @throws ShipError E_WRONG_PLATFORM (exit status 3)
 */
export function choosePlatform(release: Release, host: string, inventory: HostInventory): Platform {
  const offered = releasePlatforms(release.manifest);
  for (const platform of inventory.platforms) {
    const found = offered.find((one) => samePlatform(one, platform));
    if (found) return found;
  }
  throw new ShipError({
    code: 'E_WRONG_PLATFORM',
    message: `${host} runs ${inventory.platforms.map(formatPlatform).join(' or ') || inventory.machine}, the release has images for ${offered.map(formatPlatform).join(', ')} only`,
    remedy: 'Add the platform to the site file and make the release again.',
    exitStatus: ExitStatus.preflight,
  });
}

export function planUpdate(
  host: string,
  release: Release,
  platform: Platform,
  images: readonly OpenedImage[],
  inventory: HostInventory,
): UpdatePlan {
  const { id, version, recipe, data, rollout, processes, requires = {} } = release.manifest;
  const current = inventory.releases.find((kept) => kept.id === inventory.currentId);
  const rename = planRenaming(data, inventory);
  const isKept = inventory.releases.some((kept) => kept.id === id);
  const planned = images.map((image) => planImage(image, inventory, isKept));
  return {
    host,
    release: id,
    version,
    platform,
    conditions: {
      dataVersion: data.version,
      ...(rename && current ? { rename } : {}),
      recipe,
      ...(rollout.upgradeFrom === undefined ? {} : { upgradeFrom: rollout.upgradeFrom }),
      engine: effectiveMinimum('engine', requires),
      compose: effectiveMinimum('compose', requires),
      ...(processes ? { withoutEngine: true } : {}),
    },
    ...(current ? { current } : {}),
    isKept,
    images: planned,
    sendBytes: planned.reduce((sum, image) => sum + image.sendBytes, 0),
    fullBytes: planned.reduce((sum, image) => sum + image.fullBytes, 0),
  };
}

/** What only one of the two releases has was switched on or off, and is no other name. */
function planRenaming({ names = {}, rename, renameImpossible }: DataPolicy, { dataNames = {} }: HostInventory): DataRenaming | undefined {
  const changes = Object.entries(names).flatMap(([key, to]) => {
    const from = dataNames[key];
    return from === undefined || from === to ? [] : [{ from, to }];
  });
  if (changes.length === 0) return undefined;
  return { changes, ...(rename ? {} : { impossible: renameImpossible ?? 'The recipe has no command that renames data.' }) };
}

function planImage({ component, reference, archive }: OpenedImage, inventory: HostInventory, isKept: boolean): PlannedImage {
  const partial = sendableArchive(archive, inventory);
  const sent = isKept || isPresent(reference, inventory) ? undefined : partial;
  const sizes = new Map(archive.layers.map(({ diffId, sizeBytes }) => [diffId, sizeBytes]));
  return {
    component,
    reference,
    layers: archive.diffIds.length,
    sentLayers: sent?.diffIds.length ?? 0,
    sendBytes: sent?.sizeBytes ?? 0,
    fullBytes: archive.sizeBytes,
    unpackedBytes: (sent?.diffIds ?? []).reduce((sum, diffId) => sum + (sizes.get(diffId) ?? 0), 0),
    compression: semver.gte(semver.coerce(inventory.engineVersion) ?? '0.0.0', firstZstdEngine) ? 'zstd' : 'gzip',
  };
}

/** The archive without the layers that the host's images begin with. */
export function sendableArchive(archive: Archive, inventory: HostInventory): PartialArchive {
  return partialArchive(archive, inventory.chains.map(({ diffIds }) => diffIds));
}

/** References are immutable: one that is there holds the image. */
function isPresent(reference: string, inventory: HostInventory): boolean {
  return inventory.chains.some((chain) => chain.reference === reference);
}
