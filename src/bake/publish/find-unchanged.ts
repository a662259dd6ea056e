import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { BakePlan } from '../plan-bake.ts';
import { checksumName, imageFileNames, imageStem, osListFile } from './file-names.ts';
import type { ImageDescription, ImageFile } from './image-description.ts';
import { readImageJson } from './image-json.ts';
import { formatImagerList, imagerEntry, localUrlBase, parseUrlBase } from './imager-manifest.ts';
import type { PublishedImage } from './publish-image.ts';

/**
 * The image of an earlier bake of the same inputs, if all its files lie there with the sizes that `image.json` tells.
 * Contents are not read (`prose-ship verify` does that). An image that had to fall back to archives is none.
 * @param inputs as `inputsDigest` makes it
 */
export async function findUnchanged(plan: BakePlan, inputs: string | undefined, urlBase?: string): Promise<PublishedImage | undefined> {
  if (inputs === undefined) return undefined;
  const directory = path.dirname(plan.imageFile);
  const names = imageFileNames(imageStem(plan.imageFile) ?? path.basename(plan.imageFile));
  const at = (name: string) => path.join(directory, name);
  const description = await readImageJson(at(names.description)).catch(() => undefined);
  if (description?.inputs !== inputs || description.preload !== plan.preload) return undefined;
  const kept = keptFiles(plan, description);
  if (!kept) return undefined;
  for (const { path: name, sizeBytes } of [...kept, description.blockMap, description.sbom]) {
    if ((await sizeOf(at(name))) !== sizeBytes) return undefined;
  }
  // It names the folder, which may have been moved.
  const manifest = formatImagerList([imagerEntry(description, urlBase === undefined ? localUrlBase(directory) : parseUrlBase(urlBase))]);
  if ((await readFile(at(names.imagerManifest), 'utf8').catch(() => '')) !== manifest) return undefined;
  const checksums = [description.image, ...(description.compressed ? [description.compressed] : [])].map(({ path: name }) => checksumName(name));
  const others = [names.blockMap, names.sbom, ...checksums, names.description, names.imagerManifest, ...(urlBase === undefined ? [] : [osListFile])].map(at);
  const sizes = await Promise.all(others.map(sizeOf));
  return sizes.includes(undefined) ? undefined : { description, files: others };
}

/** Whether an image of an earlier bake lies there that could turn out to be unchanged. */
export async function mayBeUnchanged({ imageFile }: BakePlan): Promise<boolean> {
  const { description } = imageFileNames(imageStem(imageFile) ?? path.basename(imageFile));
  return readImageJson(path.join(path.dirname(imageFile), description)).then(({ inputs }) => inputs !== undefined, () => false);
}

/** The forms of the image that the plan would leave there. */
function keptFiles(plan: BakePlan, { image, compressed }: ImageDescription): readonly ImageFile[] | undefined {
  if (plan.compression.kind === 'none') return compressed ? undefined : [image];
  if (!compressed) return undefined;
  return plan.keepsRaw ? [image, compressed] : [compressed];
}

async function sizeOf(file: string): Promise<number | undefined> {
  return stat(file).then(({ size }) => size, () => undefined);
}
