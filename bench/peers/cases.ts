import { createReadStream } from 'node:fs';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createGzip } from 'node:zlib';
import type { Context } from '../../src/context.ts';
import { run } from '../../src/host/process.ts';
import { MediaType, type Descriptor } from '../../src/oci/descriptor.ts';
import { blobPath, layoutMarker, writeBlob, type LayoutImage } from '../../src/oci/layout.ts';
import type { Release } from '../../src/release/read-release.ts';
import { staticBusybox } from '../../test/device/busybox.ts';
import { fileLayer, smallLayer, systemFiles, writeImage } from '../sample/image.ts';
import { makeRelease, referenceOf } from '../sample/release.ts';

/** What differs between the release that is on the host and the one that is sent. */
export const changes = ['nothing', 'small', 'large', 'everything'] as const;
export type Change = (typeof changes)[number];

export const changeTitles: Readonly<Record<Change, string>> = {
  nothing: 'nothing changed',
  small: 'one layer of 100 KB',
  large: 'one layer of 80 MB',
  everything: 'everything new',
};

/** A release, and its image in every form in which it can be sent. */
export interface Case {
  readonly change: Change;
  readonly release: Release;
  readonly reference: string;
  readonly diffIds: readonly string[];
  /** What `docker save` writes. */
  readonly tarball: string;
  readonly imageBytes: number;
  readonly archiveBytes: number;
}

/** For a try: images of this share of their size. */
export const scaleVariable = 'PROSE_SHIP_BENCH_SCALE';
const scale = Number(process.env[scaleVariable] ?? 1);
const baseBytes = 100e6 * scale;
const largeBytes = 80e6 * scale;
/** The name under which an engine has the image with gzipped layers, as builds leave them there. */
export const gzippedName = 'docker.io/bench/app';

/** Makes the images and releases; `nothing` is the one that the host has before. The engine then holds all of them, both ways. */
export async function makeCases(context: Context, directory: string, dockerHost: string): Promise<ReadonlyMap<Change, Case>> {
  const layout = path.join(directory, 'layout');
  await mkdir(layout, { recursive: true });
  const [base, large, other] = await slices([baseBytes, largeBytes, baseBytes]);
  const half = Math.ceil((base?.length ?? 0) / 2);
  const busybox = await fileLayer(layout, [await staticBusybox()], 0o755);
  const layers = [busybox, await fileLayer(layout, base?.slice(0, half) ?? []), await fileLayer(layout, base?.slice(half) ?? [])];
  const layersOf: Readonly<Record<Change, readonly Descriptor[]>> = {
    nothing: [...layers, (await smallLayer(layout)).descriptor],
    small: [...layers, (await smallLayer(layout)).descriptor],
    large: [...layers, await fileLayer(layout, large ?? [])],
    everything: [await fileLayer(layout, other ?? []), (await smallLayer(layout)).descriptor],
  };
  const cases = new Map<Change, Case>();
  for (const [index, change] of changes.entries()) {
    context.signal.throwIfAborted();
    const image = await writeImage(layout, layersOf[change], [await staticBusybox(), 'sleep', '1000000']);
    const release = await makeRelease(image, directory, `1.0.${index}`);
    const archive = release.manifest.images[0]?.archive;
    if (!archive) throw new Error('the release has no image');
    const docker = (args: readonly string[]) => run(context, { program: 'docker', args, env: { DOCKER_HOST: dockerHost } });
    await docker(['load', '--input', path.join(release.directory, archive.path)]);
    const tarball = path.join(directory, `${change}.tar`);
    await docker(['save', '--output', tarball, referenceOf(image)]);
    await loadGzipped(context, image, path.join(directory, 'gzipped'), `${gzippedName}:${change}`, dockerHost);
    const imageBytes = layersOf[change].reduce((sum, { size }) => sum + size, 0);
    const diffIds = layersOf[change].map(({ digest }) => digest);
    cases.set(change, { change, release, reference: referenceOf(image), diffIds, tarball, imageBytes, archiveBytes: archive.sizeBytes });
  }
  return cases;
}

/** Disjoint files of this machine, so that what is called new is nowhere on the host. */
async function slices(sizes: readonly number[]): Promise<string[][]> {
  const files = await systemFiles(sizes.reduce((sum, size) => sum + size, 0) + 1);
  const cut: string[][] = [];
  let at = 0;
  for (const size of sizes) {
    const from = at;
    for (let bytes = 0; bytes < size && at < files.length; at += 1) bytes += (await stat(files[at] ?? '')).size;
    cut.push(files.slice(from, at));
  }
  return cut;
}

/** BuildKit leaves gzipped layers in the containerd store, so that is what a push from there sends. */
async function loadGzipped(context: Context, image: LayoutImage, directory: string, name: string, dockerHost: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const layers: Descriptor[] = [];
  for (const { digest } of image.manifest.layers) {
    const gzip = createReadStream(path.join(image.directory, blobPath(digest))).pipe(createGzip());
    layers.push(await writeBlob(directory, MediaType.layerGzip, gzip));
  }
  const config = await writeBlob(directory, MediaType.config, image.configBytes);
  const manifest = await writeBlob(directory, MediaType.manifest, Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.manifest, config, layers })));
  const index = { schemaVersion: 2, mediaType: MediaType.index, manifests: [{ ...manifest, annotations: { 'io.containerd.image.name': name } }] };
  await writeFile(path.join(directory, 'oci-layout'), layoutMarker);
  await writeFile(path.join(directory, 'index.json'), JSON.stringify(index));
  const blobs = [manifest, config, ...layers].map(({ digest }) => blobPath(digest));
  const args = ['-c', 'set -o pipefail; tar -C "$0" -cf - "$@" | docker load', directory, 'oci-layout', 'index.json', ...new Set(blobs)];
  await run(context, { program: 'bash', args, env: { DOCKER_HOST: dockerHost } });
}
