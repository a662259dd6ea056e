import path from 'node:path';
import type { Context } from '../context.ts';
import { ShipError } from '../errors.ts';
import { exists, replaceDirectory } from '../host/files.ts';
import type { Digest } from '../oci/digest.ts';
import { readLayout } from '../oci/layout.ts';
import { formatPlatform, samePlatform, type Platform } from '../oci/platform.ts';
import type { Secret } from '../secret.ts';
import type { TaskReport } from '../tasks.ts';
import { aptSourcesSecret, baseContexts } from './base-contexts.ts';
import type { ProvidedBase } from './bases.ts';
import type { BuildxStep } from './buildx.ts';
import { buildByLoading } from './graphdriver/build-by-loading.ts';
import type { BuildPlan, ComponentBuild } from './plan.ts';
import { withPrivateFiles } from './private-files.ts';
import type { InstructionCounts } from './progress.ts';
import { runBuildx, type BuildxRun } from './run-buildx.ts';

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
  let counts: InstructionCounts = { instructions: 0, cached: 0 };
  await withPrivateFiles(context, request.secrets, (secretFiles) =>
    replaceDirectory(path.resolve(build.layoutDirectory), async (directory) => {
      const step = await describeStep(request, secretFiles);
      const buildx: BuildxRun = { component: build.component, report: request.report };
      counts = request.exportsLayouts
        ? await runBuildx(context, { ...step, output: { kind: 'layout', directory } }, buildx)
        : await buildByLoading(context, { step, bases: request.bases, directory }, buildx);
    }),
  );
  const layout = await readLayout(build.layoutDirectory);
  const images = plan.platforms.map((platform) => {
    const image = layout.find((candidate) => samePlatform(candidate.platform, platform));
    if (!image) throw incomplete(build, platform);
    return { component: build.component, platform, layoutDirectory: build.layoutDirectory, manifestDigest: image.manifestDigest };
  });
  return { images, isCached: counts.instructions === counts.cached };
}

async function describeStep(request: ComponentRequest, secretFiles: Readonly<Record<string, string>>): Promise<Omit<BuildxStep, 'output'>> {
  const { plan, build, bases } = request;
  const { cacheFrom } = build;
  // buildx fails where there is no cache yet, as on the first run of CI.
  const hasCache = cacheFrom !== undefined && (await exists(path.join(cacheFrom, 'index.json')));
  return {
    ...request.builder,
    contextDirectory: request.contextDirectory,
    dockerfile: build.dockerfile,
    ...(build.target ? { target: build.target } : {}),
    platforms: plan.platforms,
    sourceDateEpoch: plan.sourceDateEpoch,
    args: build.args,
    secretFiles: { ...aptSourcesSecret(bases), ...secretFiles },
    namedContexts: baseContexts(bases),
    ...(hasCache ? { cacheFrom } : {}),
    ...(build.cacheTo ? { cacheTo: build.cacheTo } : {}),
    noCache: plan.noCache,
  };
}

function incomplete(build: ComponentBuild, platform: Platform): ShipError {
  return new ShipError({
    code: 'E_BUILD_INCOMPLETE',
    message: `buildx wrote no image of '${build.component}' for ${formatPlatform(platform)}`,
    place: { file: build.layoutDirectory },
    remedy: 'Look whether the builder supports that platform: `docker buildx inspect`.',
  });
}
