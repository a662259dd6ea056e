import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../../context.ts';
import { explainDiskFull } from '../../host/free-space.ts';
import { parseDpkgStatus } from '../../release/sbom/dpkg-status.ts';
import type { TaskReport } from '../../tasks.ts';
import { unpackImage } from '../base/unpack.ts';
import { computeBlockMap } from '../block-map/compute-block-map.ts';
import { openDiskFile } from '../disk/disk-file.ts';
import { inspectImage } from '../disk/inspect-image.ts';
import { initFormats } from '../publish/image-description.ts';
import { publishImage } from '../publish/publish-image.ts';
import { imageFileOf, made, type BakedImage, type BakeInputs, type Bench } from './bench.ts';

export async function finish(context: Context, inputs: BakeInputs, bench: Bench, report: TaskReport): Promise<BakedImage> {
  const { plan, release, sourceDateEpoch, toolVersion, urlBase } = inputs;
  const directory = path.dirname(plan.imageFile);
  await mkdir(directory, { recursive: true });
  const raw = path.join(bench.directory, path.basename(plan.imageFile));
  const packed = path.join(bench.directory, 'image/disk.img.zst');
  const onProgress = (done: number): void => report.progress(done, bench.layout?.diskBytes);
  const { sha256 } = await unpackImage(context, packed, raw, { name: path.basename(packed), onProgress }).catch(async (error: unknown) => {
    throw await explainDiskFull(error, bench.directory, 'the image');
  });
  const disk = await openDiskFile(raw);
  const { layout, blockMap } = await (async () => {
    try {
      const found = await inspectImage(disk, path.basename(raw));
      return { layout: found, blockMap: await computeBlockMap(disk, found) };
    } finally {
      await disk.close();
    }
  })();
  const compressed = plan.compression.kind === 'xz' ? `${plan.imageFile}.xz` : undefined;
  // The names of an earlier bake go first, so that what lies there never speaks for another image.
  await rm(`${plan.imageFile}.xz`, { force: true });
  await rename(raw, plan.imageFile);
  if (compressed) await rename(path.join(bench.directory, 'image/disk.img.xz'), compressed);
  const inventory = path.join(bench.directory, 'inventory');
  const packages = parseDpkgStatus(await readFile(path.join(inventory, 'dpkg-status'), 'utf8'));
  const engineVersion = packages.find(({ name }) => name === 'docker.io' || name === 'docker-ce')?.version;
  const base = made(bench.base);
  const describing = publishImage(context, {
    imageFile: plan.imageFile,
    sha256: { image: sha256 },
    ...(compressed ? { compressedFile: compressed } : {}),
    layout,
    blockMap,
    release,
    platform: plan.platform,
    os: { packages, osRelease: await readFile(path.join(inventory, 'os-release'), 'utf8') },
    hostname: plan.hostname,
    preload: bench.preload,
    base: base.kind === 'image'
      ? { name: base.name, sha256: base.sha256, ...(base.releaseDate ? { releaseDate: base.releaseDate } : {}), initFormat: initFormats.find((format) => format === base.initFormat) ?? 'none' }
      : { name: 'debian', initFormat: 'none' },
    ...(engineVersion ? { engine: engineVersion } : {}),
    ...(bench.inputs ? { inputs: bench.inputs } : {}),
    created: new Date(sourceDateEpoch * 1000),
    toolVersion,
    ...(urlBase === undefined ? {} : { urlBase }),
  });
  // Nobody is to flash an image whose checksums and description are missing.
  const published = await describing.catch(async (error: unknown) => {
    for (const file of [plan.imageFile, `${plan.imageFile}.xz`]) await rm(file, { force: true });
    throw error;
  });
  if (!plan.keepsRaw) await rm(plan.imageFile);
  return { ...published, file: imageFileOf(plan), preload: bench.preload, unchanged: false };
}
