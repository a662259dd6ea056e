import { stat } from 'node:fs/promises';
import path from 'node:path';
import { ExitStatus, ShipError } from '../errors.ts';
import { canonicalJson } from '../release/canonical-json.ts';
import type { BlockMap } from './block-map/block-map.ts';
import { openDiskFile } from './disk/disk-file.ts';
import { inspectImage } from './disk/inspect-image.ts';
import { readPartitionTable } from './disk/partition-table.ts';
import { checkCompanions, differences, missing, type Problem } from './publish/check-companions.ts';
import { imageFileNames, imageStem } from './publish/file-names.ts';
import type { ImageDescription, ImageFile } from './publish/image-description.ts';
import { describePartitions, describeTable, readImageJson } from './publish/image-json.ts';
import { hashFile, headReader, readImage, type ImageReading } from './publish/read-image.ts';

export interface VerifyImageOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/**
 * Proves that an OS image and the files beside it are those that were baked: sizes and sha256 of the compressed and the raw
 * form, every range of the block map, the partitions, and that image.json, checksums, SBOM and Imager's manifest agree. Of
 * the raw and the compressed form one may be absent, if it is not the one that is named.
 * @param file any file of the image
 * @throws ShipError E_NOT_AN_IMAGE_FILE (exit status 2); with every problem found: E_IMAGE_FILES_MISSING, E_CHECKSUM, or
 *   E_IMAGE_DAMAGED where they are of several kinds
 */
export async function verifyImage(file: string, options: VerifyImageOptions = {}): Promise<ImageDescription> {
  const directory = path.dirname(path.resolve(file));
  const stem = imageStem(file);
  if (stem === undefined) throw notAnImageFile(file);
  const names = imageFileNames(stem);
  const description = await readImageJson(path.join(directory, names.description));
  const { problems, blockMap } = await checkCompanions(directory, stem, description);
  if (description.image.path !== names.image) problems.unshift({ code: 'E_IMAGE_DAMAGED', text: `${names.description} is of ${description.image.path}` });
  const present = await presentForms(directory, description, path.basename(file), problems);
  problems.push(...(await checkForms(directory, description, present, blockMap, options)));
  if (problems.length > 0) throw damagedImage(path.join(directory, names.image), problems);
  return description;
}

interface Forms {
  readonly image: boolean;
  readonly compressed: boolean;
}

async function presentForms(directory: string, { image, compressed }: ImageDescription, named: string, problems: Problem[]): Promise<Forms> {
  const exists = async (one: ImageFile | undefined) =>
    one !== undefined && (await stat(path.join(directory, one.path)).then((found) => found.isFile(), () => false));
  const present = { image: await exists(image), compressed: await exists(compressed) };
  const either = present.image || present.compressed;
  if (!present.image && (!either || named === image.path)) problems.push(missing(image.path));
  if (compressed && !present.compressed && (!either || named === compressed.path)) problems.push(missing(compressed.path));
  return present;
}

async function checkForms(
  directory: string,
  description: ImageDescription,
  present: Forms,
  blockMap: BlockMap | undefined,
  { signal, onProgress }: VerifyImageOptions,
): Promise<Problem[]> {
  const { image, compressed } = description;
  const problems: Problem[] = [];
  const expectedBytes = (present.image ? image.sizeBytes : 0) + (compressed && present.compressed ? compressed.sizeBytes + image.sizeBytes : 0);
  let doneBytes = 0;
  const reading = {
    ...(signal ? { signal } : {}),
    onProgress: (bytes: number) => {
      doneBytes += bytes;
      onProgress?.(doneBytes, Math.max(expectedBytes, doneBytes));
    },
  };
  if (compressed && present.compressed) {
    const file = path.join(directory, compressed.path);
    const found = differences(compressed, await hashFile(file, reading));
    // What a damaged file unpacks to tells nothing more.
    problems.push(...(found.length > 0 ? found : await checkContent(file, compressed.path, description, blockMap, reading)));
  }
  if (present.image) {
    const file = path.join(directory, image.path);
    const { size } = await stat(file);
    if (size === image.sizeBytes) problems.push(...(await checkContent(file, image.path, description, blockMap, reading)));
    else problems.push(...differences(image, { sizeBytes: size, sha256: '' }));
    problems.push(...(await checkPartitions(file, description)));
  }
  return problems;
}

/** One pass over the bytes of the image, unpacked if need be. */
async function checkContent(
  file: string,
  name: string,
  description: ImageDescription,
  blockMap: BlockMap | undefined,
  options: Parameters<typeof readImage>[2],
): Promise<Problem[]> {
  let reading: ImageReading;
  try {
    reading = await readImage(file, blockMap, options);
  } catch (error) {
    if (!(error instanceof ShipError) || !error.code.startsWith('E_IMAGE_')) throw error;
    return [{ code: 'E_IMAGE_DAMAGED', text: `${name} cannot be unpacked: ${error.message}` }];
  }
  const problems = differences({ ...description.image, path: name }, reading, name === description.image.path ? 'has' : 'unpacks to an image that has');
  for (const { startBytes, sizeBytes } of reading.wrongRanges) {
    problems.push({ code: 'E_CHECKSUM', text: `${name} differs from the block map in bytes ${startBytes} to ${startBytes + sizeBytes - 1}` });
  }
  return [...problems, ...(await checkTable(name, description, reading))];
}

async function checkTable(name: string, description: ImageDescription, reading: ImageReading): Promise<Problem[]> {
  try {
    const found = describeTable(await readPartitionTable(headReader(reading)));
    const withoutFileSystems = description.partitions.map((one) => ({ ...one, fileSystem: undefined }));
    const expected = { partitionTable: description.partitionTable, partitions: withoutFileSystems };
    return canonicalJson(found) === canonicalJson(expected) ? [] : [{ code: 'E_IMAGE_DAMAGED', text: `${name} has another partition table than image.json says` }];
  } catch (error) {
    // A logical partition's record may lie beyond what was kept; the checksum covers it.
    if (error instanceof RangeError) return [];
    if (error instanceof ShipError) return [{ code: 'E_IMAGE_DAMAGED', text: `${name} has no partition table that can be read: ${error.message}` }];
    throw error;
  }
}

/** What only random access can tell: the file systems. */
async function checkPartitions(file: string, { partitions, image }: ImageDescription): Promise<Problem[]> {
  const disk = await openDiskFile(file);
  try {
    const found = describePartitions(await inspectImage(disk, image.path));
    return canonicalJson(found) === canonicalJson(partitions) ? [] : [{ code: 'E_IMAGE_DAMAGED', text: `${image.path} has other partitions than image.json says` }];
  } catch (error) {
    if (error instanceof ShipError) return [{ code: 'E_IMAGE_DAMAGED', text: `${image.path} is no OS image: ${error.message}` }];
    throw error;
  } finally {
    await disk.close();
  }
}

function damagedImage(file: string, problems: readonly Problem[]): ShipError {
  const codes = new Set(problems.map(({ code }) => code));
  const [code = 'E_IMAGE_DAMAGED'] = codes.size === 1 ? codes : [];
  return new ShipError({
    code,
    message: `The OS image is not the one that was baked: ${problems[0]?.text ?? ''}`,
    ...(problems.length > 1 ? { output: problems.map(({ text }) => text).join('\n') } : {}),
    place: { file },
    remedy: 'Bake it again with `prose-ship bake`, or copy all its files again from where they came.',
  });
}

function notAnImageFile(file: string): ShipError {
  return new ShipError({
    code: 'E_NOT_AN_IMAGE_FILE',
    message: `'${path.basename(file)}' is not the name of an OS image`,
    place: { file },
    remedy: 'Name the .img, the .img.xz or the .image.json that `prose-ship bake` wrote, or the folder of a release.',
    exitStatus: ExitStatus.usage,
  });
}
