import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ShipError } from '../../errors.ts';
import { digestOf, encodedPart } from '../../oci/digest.ts';
import { mappedBytes, type BlockMap } from '../block-map/block-map.ts';
import { parseBmap } from '../block-map/bmap.ts';
import { checksumText } from './checksums.ts';
import { checksumName, imageFileNames, osListFile } from './file-names.ts';
import type { ImageDescription, ImageFile } from './image-description.ts';
import { formatImagerList, imagerEntry, urlBaseOf } from './imager-manifest.ts';
import { describedImages } from './publish-image.ts';

/** Something that is wrong with one file of an image. */
export interface Problem {
  readonly code: 'E_IMAGE_FILES_MISSING' | 'E_CHECKSUM' | 'E_IMAGE_DAMAGED';
  /** `FILE is missing`, `FILE has …`: begins with the file's name. */
  readonly text: string;
}

/** Checks the small files beside an image against image.json and against each other. */
export async function checkCompanions(directory: string, stem: string, description: ImageDescription): Promise<{ problems: Problem[]; blockMap?: BlockMap }> {
  const problems: Problem[] = [];
  const { image, compressed } = description;
  const bmap = await checkFile(directory, description.blockMap, problems);
  const blockMap = bmap === undefined ? undefined : checkBlockMap(description, bmap, problems);
  const sbom = await checkFile(directory, description.sbom, problems);
  if (sbom !== undefined) checkSbom(description, sbom, problems);
  for (const one of compressed ? [image, compressed] : [image]) {
    await checkText(directory, checksumName(one.path), checksumText(one.path, one.sha256), problems);
  }
  await checkManifest(directory, imageFileNames(stem).imagerManifest, [description], problems);
  if ((await read(directory, osListFile)) !== undefined) {
    await checkManifest(directory, osListFile, await describedImages(directory), problems);
  }
  return { problems, ...(blockMap ? { blockMap } : {}) };
}

/** `FILE has 3 bytes instead of 4`, `FILE has the sha256 … instead of …`: nothing where it is the file meant. */
export function differences(expected: ImageFile, actual: { readonly sizeBytes: number; readonly sha256: string }, has = 'has'): Problem[] {
  const { path: name, sizeBytes, sha256 } = expected;
  if (actual.sizeBytes !== sizeBytes) return [{ code: 'E_CHECKSUM', text: `${name} ${has} ${actual.sizeBytes} bytes instead of ${sizeBytes}` }];
  return actual.sha256 === sha256 ? [] : [{ code: 'E_CHECKSUM', text: `${name} ${has} the sha256 ${actual.sha256} instead of ${sha256}` }];
}

export function missing(name: string): Problem {
  return { code: 'E_IMAGE_FILES_MISSING', text: `${name} is missing` };
}

/** The content, where it is the one meant. */
async function checkFile(directory: string, expected: ImageFile, problems: Problem[]): Promise<string | undefined> {
  const content = await read(directory, expected.path);
  if (content === undefined) {
    problems.push(missing(expected.path));
    return undefined;
  }
  const found = differences(expected, { sizeBytes: content.length, sha256: encodedPart(digestOf(content)) });
  problems.push(...found);
  return found.length === 0 ? content.toString('utf8') : undefined;
}

async function checkText(directory: string, name: string, expected: string, problems: Problem[]): Promise<void> {
  const content = await read(directory, name);
  if (content === undefined) problems.push(missing(name));
  else if (content.toString('utf8') !== expected) problems.push({ code: 'E_CHECKSUM', text: `${name} is not the checksum of image.json` });
}

function checkBlockMap({ blockMap, image }: ImageDescription, text: string, problems: Problem[]): BlockMap | undefined {
  try {
    const map = parseBmap(text, blockMap.path);
    if (map.imageSizeBytes === image.sizeBytes && mappedBytes(map) === image.mappedBytes) return map;
    problems.push({
      code: 'E_IMAGE_DAMAGED',
      text: `${blockMap.path} maps ${mappedBytes(map)} of ${map.imageSizeBytes} bytes, image.json says ${image.mappedBytes} of ${image.sizeBytes}`,
    });
  } catch (error) {
    if (!(error instanceof ShipError)) throw error;
    problems.push({ code: 'E_IMAGE_DAMAGED', text: `${blockMap.path} is not a block map: ${error.message}` });
  }
  return undefined;
}

interface CardDocument {
  readonly metadata?: { readonly component?: { readonly name?: unknown; readonly version?: unknown; readonly properties?: readonly { readonly name?: unknown; readonly value?: unknown }[] } };
}

function checkSbom({ sbom, name, version, release }: ImageDescription, text: string, problems: Problem[]): void {
  let card: NonNullable<CardDocument['metadata']>['component'];
  try {
    card = (JSON.parse(text) as CardDocument).metadata?.component;
  } catch {
    card = undefined;
  }
  const id = card?.properties?.find((one) => one.name === 'prose-ship:release')?.value;
  if (card?.name !== name || card.version !== version || id !== release) {
    problems.push({ code: 'E_IMAGE_DAMAGED', text: `${sbom.path} is not of release ${release}, as image.json is` });
  }
}

/** A manifest follows from the descriptions and the address of their folder, so it is made again and compared. */
async function checkManifest(directory: string, name: string, descriptions: readonly ImageDescription[], problems: Problem[]): Promise<void> {
  const content = await read(directory, name);
  if (content === undefined) {
    problems.push(missing(name));
    return;
  }
  const text = content.toString('utf8');
  const urlBase = urlBaseOf(text);
  const expected = formatImagerList(descriptions.map((one) => imagerEntry(one, urlBase ?? '')));
  if (urlBase === undefined || text !== expected) problems.push({ code: 'E_IMAGE_DAMAGED', text: `${name} is not the list that follows from image.json` });
}

async function read(directory: string, name: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path.join(directory, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
