import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { ImageDescription } from './image-description.ts';

/**
 * What Raspberry Pi Imager reads, from a `.rpi-imager-manifest` that is opened with it and from a repository alike
 * (rpi-imager, doc/json-schema/os-list-schema.json and its src/oslistmodel.cpp, 2026-08). Without such a manifest Imager
 * takes a local image for one that cannot be customised. A URL must be absolute: Imager resolves none.
 */

interface PlatformFacts {
  readonly bits: '32-bit' | '64-bit';
  readonly architecture: 'armv8' | 'armhf';
  /** Tags of the official list; a Zero 2 W goes by the tag of the Pi 3, whose processor it has. */
  readonly devices: readonly string[];
}

/** Debian 13's kernel does not know the card reader of a Pi 5 (CONFIG_MMC_SDHCI_BRCMSTB is off): `imagerEntry` leaves it out. */
const platforms: Readonly<Record<string, PlatformFacts>> = {
  'linux/arm64': { bits: '64-bit', architecture: 'armv8', devices: ['pi3-64bit', 'pi4-64bit', 'pi5-64bit'] },
  'linux/arm/v7': { bits: '32-bit', architecture: 'armhf', devices: ['pi3-32bit', 'pi4-32bit', 'pi5-32bit'] },
};

/** Without a list of devices Imager's first page is empty. */
const devices = [
  { name: 'Raspberry Pi 5', description: 'Raspberry Pi 5, 500, Compute Module 5', tags: ['pi5-64bit', 'pi5-32bit'] },
  { name: 'Raspberry Pi 4', description: 'Raspberry Pi 4, 400, Compute Module 4', tags: ['pi4-64bit', 'pi4-32bit'] },
  { name: 'Raspberry Pi Zero 2 W', description: 'Raspberry Pi Zero 2 W', tags: ['pi3-64bit', 'pi3-32bit'] },
  { name: 'Raspberry Pi 3', description: 'Raspberry Pi 3, Compute Module 3', tags: ['pi3-64bit', 'pi3-32bit'] },
];

/** One of the pictures that Imager carries with it, so that nothing has to be fetched. */
const icon = 'icons/cat_other_specific_purpose_operating_systems.png';

export interface ImagerEntry {
  readonly name: string;
  readonly description: string;
  readonly icon: string;
  readonly url: string;
  readonly bmap_url: string;
  readonly extract_size: number;
  readonly extract_sha256: string;
  readonly image_download_size: number;
  readonly image_download_sha256: string;
  readonly release_date: string;
  readonly init_format: string;
  readonly architecture?: string;
  readonly devices: readonly string[];
}

/** @param urlBase of the folder that holds the image, ends with a slash */
export function imagerEntry(description: ImageDescription, urlBase: string): ImagerEntry {
  const { name, version, release, platform, base, image, compressed = image, blockMap, created } = description;
  const facts = platforms[platform];
  return {
    name: [name, version, facts ? `(${facts.bits})` : `(${platform})`].join(' '),
    description: `Release ${release} on ${base.name}`,
    icon,
    url: urlOf(urlBase, compressed.path),
    bmap_url: urlOf(urlBase, blockMap.path),
    extract_size: image.sizeBytes,
    extract_sha256: image.sha256,
    image_download_size: compressed.sizeBytes,
    image_download_sha256: compressed.sha256,
    release_date: created.slice(0, 'YYYY-MM-DD'.length),
    init_format: base.initFormat,
    ...(facts ? { architecture: facts.architecture } : {}),
    devices: (facts?.devices ?? []).filter((tag) => base.name !== 'debian' || !tag.startsWith('pi5')),
  };
}

/** The text of a manifest or of an `os_list.json`. */
export function formatImagerList(entries: readonly ImagerEntry[]): string {
  return `${JSON.stringify({ imager: { devices }, os_list: entries }, null, 2)}\n`;
}

/** The address of the folder that a list speaks of; undefined where it is no list, or an empty one. */
export function urlBaseOf(text: string): string | undefined {
  try {
    const list = (JSON.parse(text) as { os_list?: { url?: unknown }[] } | null)?.os_list;
    const url = Array.isArray(list) ? list[0]?.url : undefined;
    return typeof url === 'string' ? url.slice(0, url.lastIndexOf('/') + 1) : undefined;
  } catch {
    return undefined;
  }
}

/** `file:///…/`, where the image lies now: it holds until the folder is moved. */
export function localUrlBase(directory: string): string {
  return pathToFileURL(`${path.resolve(directory)}/`).href;
}

/** @throws ShipError E_URL when it is not an http or https address */
export function parseUrlBase(text: string): string {
  const url = URL.parse(text);
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.search || url.hash) {
    throw new ShipError({
      code: 'E_URL',
      message: `'${text}' is not the address of a folder`,
      remedy: 'Write the http or https address under which the images will be found: https://example.org/images/.',
      exitStatus: ExitStatus.usage,
    });
  }
  return url.href.endsWith('/') ? url.href : `${url.href}/`;
}

function urlOf(urlBase: string, fileName: string): string {
  return urlBase + encodeURIComponent(fileName);
}
