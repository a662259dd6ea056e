import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../../context.ts';
import { writeAtomically } from '../../host/files.ts';
import { digestOf, encodedPart } from '../../oci/digest.ts';
import { formatPlatform, type Platform } from '../../oci/platform.ts';
import type { Release } from '../../release/read-release.ts';
import { mappedBytes, type BlockMap } from '../block-map/block-map.ts';
import { formatBmap } from '../block-map/bmap.ts';
import type { OsImageLayout } from '../disk/inspect-image.ts';
import { writeChecksum } from './checksums.ts';
import { checksumName, descriptionSuffix, imageFileNames, imageStem, osListFile } from './file-names.ts';
import type { ImageDescription, ImageFile } from './image-description.ts';
import { describePartitions, describeTable, formatImageJson, readImageJson } from './image-json.ts';
import { formatImagerList, imagerEntry, localUrlBase, parseUrlBase, urlBaseOf } from './imager-manifest.ts';
import { hashFile } from './read-image.ts';
import { cardSbom, type CardOs } from './sbom.ts';

export interface PublishImageInput {
  /** `…/NAME-linux-arm64.img`: raw, sparse; everything else is written beside it. */
  readonly imageFile: string;
  /** `…/NAME-linux-arm64.img.xz` */
  readonly compressedFile?: string;
  /** sha256 in hexadecimal, where it was computed while writing; else the files are read. */
  readonly sha256?: { readonly image?: string; readonly compressed?: string };
  readonly layout: OsImageLayout;
  /** With the sha256 of every range. */
  readonly blockMap: BlockMap;
  readonly release: Release;
  readonly platform: Platform;
  readonly os: CardOs;
  readonly hostname: string;
  readonly preload: ImageDescription['preload'];
  readonly base: ImageDescription['base'];
  /** Version of the engine on the card. */
  readonly engine?: string;
  /** `inputsDigest`; absent for a card with secrets. */
  readonly inputs?: string;
  /** SOURCE_DATE_EPOCH. */
  readonly created: Date;
  readonly toolVersion: string;
  /** http(s) address of the folder that the images will be downloaded from; without it Imager's manifest names the local files. */
  readonly urlBase?: string;
}

export interface PublishedImage {
  readonly description: ImageDescription;
  /** Absolute paths of what was written. */
  readonly files: readonly string[];
}

/**
 * Writes what lies beside an OS image (docs/cards/os-image-files.md). Every file is atomically there; `image.json`, which speaks
 * for the others, comes last but for the manifests, which are made of it.
 * @throws ShipError E_URL (before anything is written), E_ARCHIVE_DAMAGED, E_INTERRUPTED
 */
export async function publishImage(context: Context, input: PublishImageInput): Promise<PublishedImage> {
  const directory = path.dirname(path.resolve(input.imageFile));
  const names = imageFileNames(imageStem(input.imageFile) ?? path.basename(input.imageFile));
  const urlBase = input.urlBase === undefined ? localUrlBase(directory) : parseUrlBase(input.urlBase);
  const files: string[] = [];
  const put = async (name: string, text: string): Promise<ImageFile> => {
    context.signal.throwIfAborted();
    await writeAtomically(path.join(directory, name), (to) => writeFile(to, text));
    files.push(path.join(directory, name));
    return { path: name, sizeBytes: Buffer.byteLength(text), sha256: encodedPart(digestOf(text)) };
  };

  const image = await describeLarge(context, input.imageFile, input.sha256?.image);
  const compressed = input.compressedFile === undefined ? undefined : await describeLarge(context, input.compressedFile, input.sha256?.compressed);
  const blockMap = await put(names.blockMap, formatBmap(input.blockMap));
  const sbom = await put(names.sbom, await cardSbom({ ...input, signal: context.signal }));
  for (const one of [image, ...(compressed ? [compressed] : [])]) {
    await writeChecksum(directory, one.path, one.sha256);
    files.push(path.join(directory, checksumName(one.path)));
  }
  await put(names.description, formatImageJson(describe(input, { image, compressed, blockMap, sbom })));
  const description = await readImageJson(path.join(directory, names.description));
  await put(names.imagerManifest, formatImagerList([imagerEntry(description, urlBase)]));
  const listBase = input.urlBase === undefined ? await presentListBase(directory) : urlBase;
  if (listBase !== undefined) {
    const all = await describedImages(directory);
    await put(osListFile, formatImagerList(all.map((one) => imagerEntry(one, listBase))));
  }
  return { description, files };
}

interface Companions {
  readonly image: ImageFile;
  readonly compressed: ImageFile | undefined;
  readonly blockMap: ImageFile;
  readonly sbom: ImageFile;
}

function describe(input: PublishImageInput, { image, compressed, blockMap, sbom }: Companions): Omit<ImageDescription, 'digest'> {
  const { name, version, id } = input.release.manifest;
  return {
    format: 1,
    name,
    version,
    release: id,
    platform: formatPlatform(input.platform),
    hostname: input.hostname,
    preload: input.preload,
    ...(input.engine ? { engine: input.engine } : {}),
    base: input.base,
    partitionTable: describeTable(input.layout.table).partitionTable,
    partitions: describePartitions(input.layout),
    image: { ...image, mappedBytes: mappedBytes(input.blockMap) },
    ...(compressed ? { compressed } : {}),
    blockMap,
    sbom,
    ...(input.inputs ? { inputs: input.inputs } : {}),
    created: input.created.toISOString(),
    tool: { name: 'prose-ship', version: input.toolVersion },
  };
}

async function describeLarge({ signal }: Context, file: string, sha256?: string): Promise<ImageFile> {
  const found = sha256 === undefined ? await hashFile(file, { signal }) : { sizeBytes: (await stat(file)).size, sha256 };
  return { path: path.basename(file), ...found };
}

/** A list that is there already stays the list of all images of the folder. */
async function presentListBase(directory: string): Promise<string | undefined> {
  return urlBaseOf(await readFile(path.join(directory, osListFile), 'utf8').catch(() => ''));
}

/** All images of a folder, in the order of their names; what is no description of an image is left out. */
export async function describedImages(directory: string): Promise<ImageDescription[]> {
  const found: ImageDescription[] = [];
  for (const name of (await readdir(directory)).filter((one) => one.endsWith(descriptionSuffix)).sort()) {
    const description = await readImageJson(path.join(directory, name)).catch(() => undefined);
    if (description) found.push(description);
  }
  return found;
}
