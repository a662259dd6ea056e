import { z } from 'zod';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { fetchDocument } from '../../host/fetch-document.ts';
import { withoutPassword } from '../../host/http-client.ts';
import { debianArchitecture, formatPlatform, type Platform } from '../../oci/platform.ts';

/** What Raspberry Pi Imager 2 shows. */
const defaultOsList = 'https://downloads.raspberrypi.com/os_list_imagingutility_v4.json';

/** The folder of a base's images on the server, which is all that tells an entry of the list from others. */
export const officialBases = {
  'raspios-lite': (architecture: string) => `raspios_lite_${architecture}`,
  'raspios-legacy': (architecture: string) => `raspios_oldstable_lite_${architecture}`,
} as const;
export type OfficialBase = keyof typeof officialBases;

const sha256 = z.string().regex(/^[0-9a-fA-F]{64}$/).transform((text) => text.toLowerCase());
/** Only what is read (Imager's repository JSON, version 4); the rest may change. */
const imageSchema = z.object({
  name: z.string(),
  url: z.url({ protocol: /^https?$/ }),
  release_date: z.iso.date(),
  image_download_size: z.int().positive(),
  image_download_sha256: sha256.optional(),
  extract_size: z.int().positive(),
  extract_sha256: sha256,
  init_format: z.string().optional(),
});
const listSchema = z.object({ os_list: z.array(z.unknown()) });
const entrySchema = z.object({
  name: z.string().optional(),
  url: z.string().optional(),
  subitems: z.array(z.unknown()).optional(),
  subitems_url: z.string().optional(),
});

export interface OfficialImage {
  readonly url: string;
  readonly releaseDate: string;
  readonly downloadBytes: number;
  /** Of the file as it is downloaded; lists of older versions do not tell it. */
  readonly downloadSha256?: string;
  readonly extractBytes: number;
  readonly extractSha256: string;
  /** How it takes customisation at first boot: `systemd`, `cloudinit-rpi`, ... */
  readonly initFormat?: string;
}

const maxListBytes = 16 * 1024 * 1024;
const maxLists = 50;

/**
 * The newest image of a base in Imager's list, whose address PROSE_SHIP_OS_LIST may replace.
 * @throws ShipError E_OS_LIST (unreachable, not such a list, no such image; exit status 3), E_BASE_PLATFORM (exit status 2)
 */
export async function findOfficialImage(context: Context, base: OfficialBase, platform: Platform): Promise<OfficialImage> {
  const architecture = debianArchitecture(platform);
  if (architecture !== 'arm64' && architecture !== 'armhf') {
    throw new ShipError({
      code: 'E_BASE_PLATFORM',
      message: `The base '${base}' does not exist for ${formatPlatform(platform)}`,
      remedy: 'Use linux/arm64 or linux/arm/v7.',
      exitStatus: ExitStatus.usage,
    });
  }
  const address = context.environment['PROSE_SHIP_OS_LIST'] || defaultOsList;
  const folder = officialBases[base](architecture);
  const { entries, failures } = await readLists(context, address);
  const images = entries.filter(({ url }) => folderOf(url) === folder).map((entry) => readImage(address, entry));
  const newest = images.toSorted((a, b) => b.releaseDate.localeCompare(a.releaseDate) || b.url.localeCompare(a.url))[0];
  if (newest) return newest;
  const [failure] = failures;
  if (failure) throw failure;
  const there = [...new Set(entries.flatMap(({ url }) => folderOf(url) ?? []))].toSorted();
  throw listError(address, `it has no image of '${folder}'; it has: ${there.slice(0, 20).join(', ') || 'no images of Raspberry Pi OS'}`);
}

type Entry = Record<string, unknown> & { readonly url: string };

/** Every entry with an image, of the list and of those that it refers to; what could not be read, beside them. */
async function readLists(context: Context, root: string): Promise<{ entries: Entry[]; failures: ShipError[] }> {
  const entries: Entry[] = [];
  const failures: ShipError[] = [];
  const addresses = [root];
  const collect = (items: readonly unknown[], list: string): void => {
    for (const item of items) {
      const entry = entrySchema.safeParse(item).data;
      if (!entry) continue; // made for a newer Imager, or broken: not ours if it is
      if (entry.url !== undefined) entries.push({ ...(item as object), url: entry.url });
      if (entry.subitems) collect(entry.subitems, list);
      if (entry.subitems_url === undefined || !URL.canParse(entry.subitems_url, list)) continue;
      const address = new URL(entry.subitems_url, list).href;
      if (isTrusted(address, root) && !addresses.includes(address) && addresses.length < maxLists) addresses.push(address);
    }
  };
  for (const address of addresses) {
    try {
      collect(await readList(context, address), address);
    } catch (error) {
      if (address === root || !(error instanceof ShipError) || error.code !== 'E_OS_LIST') throw error;
      failures.push(error); // matters only where the image is not found without it
    }
  }
  return { entries, failures };
}

async function readList(context: Context, address: string): Promise<readonly unknown[]> {
  const content = await fetchDocument(context, address, maxListBytes).catch((error: unknown) => {
    if (!(error instanceof ShipError) || error.code !== 'E_DOWNLOAD') throw error;
    throw listError(address, error.message, error);
  });
  if (content === undefined) throw listError(address, 'the server has no such file');
  let document: unknown;
  try {
    document = JSON.parse(content.toString('utf8'));
  } catch (error) {
    throw listError(address, `it is not JSON (${error instanceof Error ? error.message : String(error)})`, error);
  }
  const list = listSchema.safeParse(document);
  // A list that another refers to may also be the bare `subitems`.
  const items = list.data?.os_list ?? z.object({ subitems: z.array(z.unknown()) }).safeParse(document).data?.subitems;
  if (!items) throw listError(address, `it is not a list of Raspberry Pi Imager (${z.prettifyError(list.error ?? new z.ZodError([]))})`);
  return items;
}

/**
 * Imager's list refers to lists of other publishers, too. One of those could name a newer image in a folder of the
 * same name: only Raspberry Pi's own are read, and those of the host that the list itself comes from.
 */
function isTrusted(address: string, root: string): boolean {
  const [list, start] = [new URL(address), new URL(root)];
  if (start.protocol === 'https:' && list.protocol !== 'https:') return false;
  return list.hostname === start.hostname || /(?:^|\.)raspberrypi\.(?:com|org)$/.test(list.hostname);
}

/** `raspios_lite_arm64`; undefined for images that are not Raspberry Pi OS. */
function folderOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).pathname.split('/').find((part) => /^raspios_\w+$/.test(part)) : undefined;
}

function readImage(address: string, entry: Entry): OfficialImage {
  const { data, error } = imageSchema.safeParse(entry);
  if (!data) throw listError(address, `its entry for '${entry.url}' cannot be read: ${z.prettifyError(error)}`);
  return {
    url: data.url,
    releaseDate: data.release_date,
    downloadBytes: data.image_download_size,
    ...(data.image_download_sha256 === undefined ? {} : { downloadSha256: data.image_download_sha256 }),
    extractBytes: data.extract_size,
    extractSha256: data.extract_sha256,
    ...(data.init_format === undefined ? {} : { initFormat: data.init_format }),
  };
}

function listError(address: string, why: string, cause?: unknown): ShipError {
  return new ShipError({
    code: 'E_OS_LIST',
    message: `The list of Raspberry Pi's images, '${withoutPassword(address)}', does not help: ${why}`,
    remedy: 'Check the connection, name another list in PROSE_SHIP_OS_LIST, or give an image file or its address as the base.',
    exitStatus: ExitStatus.preflight,
    cause,
  });
}
