import type { Context } from '../../context.ts';
import { run, type Command } from '../../host/process.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { writeLayout } from '../../oci/layout.ts';
import { platformSlug } from '../../oci/platform.ts';
import type { ProvidedBase } from '../bases.ts';
import type { BuildxStep } from '../buildx.ts';
import type { InstructionCounts } from '../progress.ts';
import { runBuildx, type BuildxRun } from '../run-buildx.ts';
import { loadBase } from './loaded-base.ts';
import { saveIntoLayout } from './saved-image.ts';

export interface LoadingBuild {
  readonly step: Omit<BuildxStep, 'output'>;
  readonly bases: readonly ProvidedBase[];
  /** Gets the OCI layout. */
  readonly directory: string;
}

/**
 * The way round for an engine on a graph driver (overlay2), whose BuildKit exports no layouts and reads none: bases are
 * loaded, each platform is built into the image store under a name of our own, and comes out by `docker save`. Such
 * layers keep the times of the build, so two builds do not give the same bytes.
 */
export async function buildByLoading(context: Context, { step, bases, directory }: LoadingBuild, buildx: BuildxRun): Promise<InstructionCounts> {
  buildx.report.log('This engine cannot export layouts: images go through `docker save`, and are not reproducible bit for bit', 'warning');
  const docker = (...args: string[]): Command => ({
    program: 'docker',
    args,
    ...(step.dockerHost ? { env: { DOCKER_HOST: step.dockerHost } } : {}),
  });
  const manifests: Descriptor[] = [];
  const total = { instructions: 0, cached: 0 };
  for (const platform of step.platforms) {
    const namedContexts: Record<string, string> = {};
    for (const base of bases) {
      if (base.kind === 'bootstrap') namedContexts[base.reference] = `docker-image://${await loadBase(context, base, platform, docker)}`;
    }
    const reference = `prose-ship-build/${buildx.component}:${platformSlug(platform)}-${process.pid}`;
    try {
      const counts = await runBuildx(context, { ...step, platforms: [platform], namedContexts, output: { kind: 'load', reference } }, buildx);
      total.instructions += counts.instructions;
      total.cached += counts.cached;
      manifests.push(await saveIntoLayout(context, docker, reference, platform, directory));
    } finally {
      // An interrupted build is cleaned up too. There may be no image to remove.
      const uninterrupted = { ...context, signal: new AbortController().signal };
      await run(uninterrupted, docker('image', 'rm', '--force', reference)).catch(() => {});
    }
  }
  await writeLayout(directory, manifests);
  return total;
}
