import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { provideBase, type ProvidedBase } from '../build/bases.ts';
import { loadBase } from '../build/graphdriver/loaded-base.ts';
import type { BasesProvider } from '../build/plan.ts';
import { withPrivateFiles } from '../build/private-files.ts';
import { runBuildx } from '../build/run-buildx.ts';
import type { Context } from '../context.ts';
import { ExitStatus, ShipError } from '../errors.ts';
import type { Engine } from '../host/engine/engine.ts';
import { explainDiskFull, freeBytes, tooLittleSpace } from '../host/free-space.ts';
import type { Release } from '../release/read-release.ts';
import { parseDpkgStatus } from '../release/sbom/dpkg-status.ts';
import type { Secret } from '../secret.ts';
import type { OsSettings } from '../site/model.ts';
import type { Task, TaskReport } from '../tasks.ts';
import { planCardLayout, type CardLayout, type Measure } from './assemble/card-layout.ts';
import { provideCardBase, type CardBase } from './assemble/card-base.ts';
import { writeLayoutFolder } from './assemble/layout-folder.ts';
import { measureTree, readMeasure } from './assemble/measure.ts';
import { osImageStep, toolsBase, type OsImageBuild } from './assemble/os-image-build.ts';
import { setupError } from './assemble/setup-error.ts';
import { computeBlockMap } from './block-map/compute-block-map.ts';
import { writeCustomisation, type Customisation } from './customise/write-customisation.ts';
import { openDiskFile } from './disk/disk-file.ts';
import { inspectImage } from './disk/inspect-image.ts';
import { openImageStream, writeSparse } from './image-stream.ts';
import type { BakePlan, Preload } from './plan-bake.ts';
import { fillStore, isPreloadProblem, type FilledStore } from './preload/fill-store.ts';
import { initFormats } from './publish/image-description.ts';
import { publishImage, type PublishedImage } from './publish/publish-image.ts';

export interface BakeInputs {
  readonly plan: BakePlan;
  readonly os: OsSettings;
  readonly release: Release;
  readonly engine: Engine;
  readonly bases: BasesProvider;
  readonly sourceDateEpoch: number;
  readonly builder?: string;
  readonly noCache: boolean;
  /** `card-secrets`: a tar in base64 of what setup.sh finds in PROSE_SHIP_SECRETS_DIR; absent: the card has none. */
  readonly secrets: Readonly<Record<string, Secret>>;
  readonly toolVersion: string;
  readonly urlBase?: string;
}

export interface BakedImage extends PublishedImage {
  /** What a person flashes. */
  readonly file: string;
  readonly preload: Preload;
  readonly layout: CardLayout;
}

/** What the tasks hand on to one another. */
interface Bench {
  readonly directory: string;
  base?: CardBase;
  build?: OsImageBuild;
  customisation?: Customisation;
  store?: FilledStore;
  preload: Preload;
  content?: Measure & { readonly bootBytes: number };
  layout?: CardLayout;
}

/**
 * Bakes an OS image. `onImage` gets it; `directory` is a folder for work in progress, on the disk of the result, which
 * the caller removes.
 */
export function bakeTasks(context: Context, inputs: BakeInputs, directory: string, onImage: (image: BakedImage) => void): Task[] {
  const { plan, os, release, sourceDateEpoch } = inputs;
  const bench: Bench = { directory, preload: plan.preload };
  const customise = async (): Promise<void> => {
    const options = { os: { ...os, preload: bench.preload }, manifest: release.manifest, releaseDirectory: release.directory, platform: plan.platform, preload: bench.preload };
    bench.customisation = await writeCustomisation(path.join(directory, 'customise'), options);
  };
  return [
    {
      id: 'base',
      title: `Base ${plan.base}`,
      run: async (report) => {
        bench.base = await provideCardBase(context, { base: plan.base, platform: plan.platform, sourceDateEpoch, report });
        bench.build = await describeBuild(context, inputs, bench, report);
        report.detail(bench.base.kind === 'image' ? bench.base.name : 'Debian, with its kernel and the firmware of the Raspberry Pi');
      },
    },
    {
      id: 'packages',
      title: 'Install packages',
      run: async (report) => {
        await customise();
        const output = path.join(directory, 'inventory');
        await buildOrExplain(context, osImageStep(made(bench.build), 'inventory', { kind: 'files', directory: output }), 'os-image', report);
        bench.content = await readMeasure(path.join(output, 'measure'));
      },
    },
    {
      id: 'preload',
      title: 'Fill the image store',
      skip: () => (bench.preload === 'archive' ? 'the first boot loads the images' : undefined),
      run: async (report) => {
        try {
          bench.store = await fillStore(context, { build: made(bench.build), release, platform: plan.platform, directory: path.join(directory, 'store'), report });
          report.detail(`by engine ${bench.store.engineVersion}`);
        } catch (error) {
          if (!isPreloadProblem(error)) throw error;
          report.log(`${error.message}: the card gets archives, and its first boot loads them`, 'warning');
          bench.preload = 'archive';
          await customise();
          report.detail('not possible here; the first boot loads the images');
        }
      },
    },
    {
      id: 'disk',
      title: 'Lay out the card',
      run: async (report) => {
        bench.layout = await layOut(context, inputs, bench, report);
        report.detail(`${Math.ceil(bench.layout.diskBytes / 1024 ** 2)} MiB`);
      },
    },
    {
      id: 'publish',
      title: 'Check, and describe',
      run: async (report) => {
        const image = await finish(context, inputs, bench, report);
        report.detail(path.basename(image.file));
        onImage(image);
      },
    },
  ];
}

function made<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('unreachable: an earlier task made it');
  return value;
}

async function describeBuild(context: Context, inputs: BakeInputs, bench: Bench, report: TaskReport): Promise<OsImageBuild> {
  const { plan, engine, bases, sourceDateEpoch, builder } = inputs;
  const onLine = (line: string): void => report.log(line, 'debug');
  const surroundings = { ...(builder ? { builder } : {}), ...(engine.dockerHost ? { dockerHost: engine.dockerHost } : {}) };
  const docker = (...args: string[]) => ({ program: 'docker', args, ...(engine.dockerHost ? { env: { DOCKER_HOST: engine.dockerHost } } : {}) });
  const machine = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const platforms = [{ os: 'linux', architecture: machine }, ...(bench.base?.kind === 'debian' && plan.platform.architecture !== machine ? [plan.platform] : [])];
  const onWarning = (message: string): void => report.log(message, 'warning');
  const tools = await provideBase(context, { reference: toolsBase, platforms, provider: bases, sourceDateEpoch, ...surroundings, onLine, onWarning });
  // A graph driver's BuildKit reads no layouts (docs/building.md).
  const readsLayouts = builder !== undefined || engine.imageStore === 'containerd';
  if (tools.kind === 'bootstrap' && !readsLayouts) {
    throw new ShipError({
      code: 'E_BASE_UNAVAILABLE',
      message: `This engine cannot take ${toolsBase} from a folder, and no registry gives it`,
      remedy: "Turn the engine's containerd image store on, or let it reach a registry.",
      exitStatus: ExitStatus.preflight,
    });
  }
  const contextOf = async (directory: string, tag: string): Promise<string> => {
    if (readsLayouts) return `oci-layout://${directory}:${tag}`;
    const loaded: Extract<ProvidedBase, { kind: 'bootstrap' }> = { kind: 'bootstrap', reference: 'rootfs', directory, tag, suite: '', isCached: true };
    return `docker-image://${await loadBase(context, loaded, plan.platform, docker)}`;
  };
  const { base } = bench;
  return {
    platform: plan.platform,
    sourceDateEpoch,
    builder: surroundings,
    noCache: inputs.noCache,
    tools: { base: tools, ...(tools.kind === 'bootstrap' ? { context: await contextOf(tools.directory, tools.tag) } : {}) },
    ...(base?.kind === 'image' ? { rootfsContext: await contextOf(base.rootfs.directory, base.rootfs.tag) } : {}),
    customiseDirectory: path.join(bench.directory, 'customise'),
  };
}

/** A failed build whose script named the problem fails with that. */
async function buildOrExplain(context: Context, step: Parameters<typeof runBuildx>[1], component: string, report: TaskReport): Promise<void> {
  await runBuildx(context, step, { component, report }).catch((error: unknown) => {
    throw (error instanceof ShipError && setupError((error.output ?? '').split('\n'))) || error;
  });
}

async function layOut(context: Context, inputs: BakeInputs, bench: Bench, report: TaskReport): Promise<CardLayout> {
  const { plan, release, sourceDateEpoch } = inputs;
  const content = made(bench.content);
  const base = made(bench.base);
  const parts = [content, await measureTree(path.join(bench.directory, 'customise/files')), ...(bench.store ? [bench.store.measure] : [])];
  const seed = `${release.manifest.name}/${plan.base}`;
  const layout = planCardLayout(seed, { parts, bootBytes: content.bootBytes }, {
    ...(base.kind === 'image' ? { base: base.layout } : {}),
    ...(plan.sizeBytes === undefined ? {} : { sizeBytes: plan.sizeBytes }),
  });
  // The image as it is read, and compressed once more at worst.
  const usedBytes = parts.reduce((sum, { blocks }) => sum + blocks * 4096, 0) + content.bootBytes;
  const free = await freeBytes(bench.directory);
  if (free < usedBytes * 2) throw tooLittleSpace(bench.directory, usedBytes * 2, free, 'The image');
  const folder = path.join(bench.directory, 'layout');
  await writeLayoutFolder(folder, {
    layout,
    sourceDateEpoch,
    cmdline: made(bench.customisation).cmdline,
    compress: plan.compression,
    ...(base.kind === 'image' ? { baseTable: base.table, headFile: base.headFile } : {}),
    ...(bench.store ? { storeFile: bench.store.file } : {}),
  });
  await withPrivateFiles(context, inputs.secrets, async (secretFiles) => {
    const output = { kind: 'files', directory: path.join(bench.directory, 'image') } as const;
    await buildOrExplain(context, osImageStep(made(bench.build), 'image', output, { layoutDirectory: folder, secretFiles }), 'os-image', report);
  });
  return layout;
}

async function finish(context: Context, inputs: BakeInputs, bench: Bench, report: TaskReport): Promise<BakedImage> {
  const { plan, release, sourceDateEpoch, toolVersion, urlBase } = inputs;
  const directory = path.dirname(plan.imageFile);
  await mkdir(directory, { recursive: true });
  const raw = path.join(bench.directory, path.basename(plan.imageFile));
  const packed = path.join(bench.directory, 'image/disk.img.zst');
  const { stream } = await openImageStream(packed);
  await writeSparse(stream, raw, { signal: context.signal, onProgress: (done) => report.progress(done, bench.layout?.diskBytes) }).catch(async (error: unknown) => {
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
  return { ...published, file: compressed ?? plan.imageFile, preload: bench.preload, layout: made(bench.layout) };
}
