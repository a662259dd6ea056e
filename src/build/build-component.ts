import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../context.ts';
import { ShipError } from '../errors.ts';
import { replaceDirectory } from '../host/files.ts';
import { run, type Command } from '../host/process.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { readLayout, writeLayout } from '../oci/layout.ts';
import { formatPlatform, platformSlug, samePlatform, type Platform } from '../oci/platform.ts';
import type { Secret } from '../secret.ts';
import type { TaskReport } from '../tasks.ts';
import type { ProvidedBase } from './bases.ts';
import { buildxBuild, type BuildxOutput, type BuildxStep } from './buildx.ts';
import { buildFailure } from './failure.ts';
import type { BuildPlan, ComponentBuild } from './plan.ts';
import { withPrivateFiles } from './private-files.ts';
import { BuildProgress } from './progress.ts';
import { saveIntoLayout } from './saved-image.ts';

/** One image of one platform, in the layout that `build` wrote. */
export interface BuiltImage {
  readonly component: string;
  readonly platform: Platform;
  readonly layoutDirectory: string;
  readonly manifestDigest: Digest;
}

export interface ComponentRequest {
  readonly plan: BuildPlan;
  readonly build: ComponentBuild;
  readonly builder: { readonly builder?: string; readonly dockerHost?: string };
  readonly contextDirectory: string;
  readonly bases: readonly ProvidedBase[];
  readonly secrets: Readonly<Record<string, Secret>>;
  /** False for the `docker` driver on a graph driver, which refuses OCI exports. */
  readonly exportsLayouts: boolean;
  readonly report: Pick<TaskReport, 'log'>;
}

export interface ComponentResult {
  readonly images: readonly BuiltImage[];
  /** True when the layer cache answered every instruction. */
  readonly isCached: boolean;
}

/** @throws ShipError E_BUILD_FAILED, E_BUILD_INCOMPLETE when buildx left a platform out */
export async function buildComponent(context: Context, request: ComponentRequest): Promise<ComponentResult> {
  const { build, plan } = request;
  const progress = new BuildProgress();
  await withPrivateFiles(context, request.secrets, (secretFiles) =>
    replaceDirectory(path.resolve(build.layoutDirectory), async (directory) => {
      const step = await describeStep(request, secretFiles);
      if (request.exportsLayouts) await runBuildx(context, request, { ...step, output: { kind: 'layout', directory } }, progress);
      else await buildByLoading(context, request, step, directory, progress);
    }),
  );
  const layout = await readLayout(build.layoutDirectory);
  const images = plan.platforms.map((platform) => {
    const image = layout.find((candidate) => samePlatform(candidate.platform, platform));
    if (!image) throw incomplete(build, platform);
    return { component: build.component, platform, layoutDirectory: build.layoutDirectory, manifestDigest: image.manifestDigest };
  });
  const { instructions, cached } = progress.counts();
  return { images, isCached: instructions === cached };
}

async function describeStep(request: ComponentRequest, secretFiles: Readonly<Record<string, string>>): Promise<Omit<BuildxStep, 'output'>> {
  const { plan, build, bases } = request;
  const { cacheFrom } = build;
  // buildx fails where there is no cache yet, as on the first run of CI.
  const hasCache = cacheFrom !== undefined && (await stat(path.join(cacheFrom, 'index.json')).then(() => true, () => false));
  return {
    ...request.builder,
    contextDirectory: request.contextDirectory,
    dockerfile: build.dockerfile,
    ...(build.target ? { target: build.target } : {}),
    platforms: plan.platforms,
    sourceDateEpoch: plan.sourceDateEpoch,
    args: build.args,
    secretFiles: { ...aptSources(bases), ...secretFiles },
    namedContexts: Object.fromEntries(bases.flatMap((base) => (base.kind === 'bootstrap' ? [[base.reference, base.namedContext]] : []))),
    ...(hasCache ? { cacheFrom } : {}),
    ...(build.cacheTo ? { cacheTo: build.cacheTo } : {}),
    noCache: plan.noCache,
  };
}

/** Offered when all bases are of one suite: the file names the suite, so it fits no other. */
function aptSources(bases: readonly ProvidedBase[]): Readonly<Record<string, string>> {
  const bootstrapped = bases.flatMap((base) => (base.kind === 'bootstrap' ? [base] : []));
  const [first] = bootstrapped;
  if (!first?.aptSourcesFile || bootstrapped.some(({ suite }) => suite !== first.suite)) return {};
  return { 'apt-sources': first.aptSourcesFile };
}

async function runBuildx(context: Context, request: ComponentRequest, step: BuildxStep, progress: BuildProgress): Promise<void> {
  try {
    await run(context, buildxBuild(step), {
      onLine: (line) => {
        const changed = progress.accept(line);
        request.report.log(line, 'debug');
        if (changed?.state === 'running' && changed.isInstruction) request.report.log(changed.name);
      },
    });
  } catch (error) {
    if (!(error instanceof ShipError) || error.code !== 'E_COMMAND_FAILED') throw error;
    throw buildFailure(request.build.component, { dockerfile: step.dockerfile, platforms: step.platforms }, progress, error);
  }
}

/**
 * The way round for engines that export nothing: each platform goes into the image store under a name of our own, and
 * out by `docker save`. Such layers keep the times of the build, so two machines do not get the same bytes.
 */
async function buildByLoading(
  context: Context,
  request: ComponentRequest,
  step: Omit<BuildxStep, 'output'>,
  directory: string,
  progress: BuildProgress,
): Promise<void> {
  request.report.log('This engine cannot export layouts: images go through `docker save`, and are not reproducible bit for bit', 'warning');
  const manifests: Descriptor[] = [];
  for (const platform of request.plan.platforms) {
    const reference = `prose-ship-build/${request.build.component}:${platformSlug(platform)}-${String(process.pid)}`;
    const output: BuildxOutput = { kind: 'load', reference };
    try {
      await runBuildx(context, request, { ...step, platforms: [platform], output }, progress);
      manifests.push(await saveIntoLayout(context, docker(request, 'save', reference), platform, directory));
    } finally {
      await run({ ...context, signal: new AbortController().signal }, docker(request, 'image', 'rm', '--force', reference)).catch(() => {});
    }
  }
  await writeLayout(directory, manifests);
}

function docker({ builder: { dockerHost } }: ComponentRequest, ...args: string[]): Command {
  return { program: 'docker', args, ...(dockerHost ? { env: { DOCKER_HOST: dockerHost } } : {}) };
}

function incomplete(build: ComponentBuild, platform: Platform): ShipError {
  return new ShipError({
    code: 'E_BUILD_INCOMPLETE',
    message: `buildx wrote no image of '${build.component}' for ${formatPlatform(platform)}`,
    place: { file: build.layoutDirectory },
    remedy: 'Look whether the builder supports that platform: `docker buildx inspect`.',
  });
}
