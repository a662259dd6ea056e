import type { ImageSample } from '../manifest.ts';
import { ImageTree, type ImageFile } from './image-tree.ts';

/** Each costs a device one call of its engine. */
const samplesPerImage = 6;
/** What a device reads for one sample; larger files are not chosen. */
const largestSampleBytes = 4 * 1024 * 1024;

/** Names that need no quoting anywhere, and no step upwards. */
export const samplePath = /^(?!.*(^|\/)\.\.?(\/|$))[\w.+@-]+(\/[\w.+@-]+)*$/;
/** What an engine lays over an image in each container. */
const overlaid = /^(dev|proc|sys|run)\/|^etc\/(hosts|hostname|resolv\.conf|mtab)$|^\.dockerenv$/;

/** Learns the files of an image that can be samples, during a walk through its layers. */
export function sampleTree(): ImageTree {
  return new ImageTree((path, sizeBytes) => sizeBytes > 0 && sizeBytes <= largestSampleBytes && samplePath.test(path) && !overlaid.test(path));
}

/**
 * Chooses a few files of an image by which a device can tell that the layers on its disk hold what they should: after a
 * power cut files may be there with a size of 0, because an engine's records reach the disk before its layers' files do.
 * From each layer the file that is written last, because it is the least likely to have reached the disk, its largest
 * program and its smallest file; upper layers first. The same image gives the same samples.
 * @param files those of `sampleTree`; `position` is the order in which an engine writes them
 */
export function pickSamples(files: readonly ImageFile[]): ImageSample[] {
  const topDown = [...Map.groupBy(files, ({ layer }) => layer)].sort(([a], [b]) => b - a).map(([, ofLayer]) => ofLayer);
  const picked = new Set<ImageFile>();
  for (const pick of [lastWritten, largestProgram, smallest]) {
    for (const ofLayer of topDown) {
      const file = pick(ofLayer);
      if (file && picked.size < samplesPerImage) picked.add(file);
    }
  }
  return [...picked]
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ path, sizeBytes, digest }) => ({ path, sizeBytes, digest }));
}

function lastWritten(files: readonly ImageFile[]): ImageFile | undefined {
  return best(files, (a, b) => a.position > b.position);
}

function largestProgram(files: readonly ImageFile[]): ImageFile | undefined {
  return best(files.filter(({ executable }) => executable), (a, b) => a.sizeBytes > b.sizeBytes);
}

function smallest(files: readonly ImageFile[]): ImageFile | undefined {
  return best(files, (a, b) => a.sizeBytes < b.sizeBytes);
}

/** The first one that no other is better than. */
function best(files: readonly ImageFile[], better: (a: ImageFile, b: ImageFile) => boolean): ImageFile | undefined {
  let found: ImageFile | undefined;
  for (const file of files) if (!found || better(file, found)) found = file;
  return found;
}
