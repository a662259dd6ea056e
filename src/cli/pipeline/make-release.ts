import path from 'node:path';
import type { BuildPlan } from '../../build/plan.ts';
import { packRelease, releaseDirectory, type PackResult } from '../../release/pack-release.ts';
import type { Deployment } from '../../site/model.ts';
import { runTasks } from '../../tasks.ts';
import { buildImages } from './build-images.ts';
import { outputDirectory } from './site.ts';
import type { Session, VerbOptions } from '../verb.ts';

export function plannedDirectory(session: Session, deployment: Deployment, options: VerbOptions): string {
  return releaseDirectory(path.join(outputDirectory(session, options), 'release'), deployment);
}

/** Builds, archives and packs. */
export async function makeRelease(session: Session, deployment: Deployment, plan: BuildPlan, options: VerbOptions): Promise<PackResult> {
  const archives = await buildImages(session, deployment, plan, options);
  let packed: PackResult | undefined;
  await runTasks(session.context, [
    {
      id: 'pack',
      title: `Pack release ${deployment.site.name} ${deployment.site.version}`,
      run: async (report) => {
        packed = await packRelease(deployment, archives, plannedDirectory(session, deployment, options));
        report.detail(packed.unchanged ? `${packed.manifest.id}, unchanged` : packed.manifest.id);
      },
    },
  ]);
  if (!packed) throw new Error('unreachable: the task ran');
  return packed;
}
