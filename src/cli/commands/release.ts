import { buildOptions } from '../build-options.ts';
import type { Verb } from '../verb.ts';

export const release: Verb = {
  name: 'release',
  summary: 'build everything and make the release directory that is shipped',
  options: buildOptions.filter(({ flags }) => !flags.startsWith('--platform')),
  example: 'release --output build',
  run: async (session, _args, options) => {
    const { loadDeployment } = await import('../../site/load.ts');
    const { describeBuild, planBuildOf } = await import('../pipeline/build-images.ts');
    const { makeRelease, plannedDirectory } = await import('../pipeline/make-release.ts');
    const deployment = await loadDeployment(session.context, session.siteFile);
    const plan = planBuildOf(session, deployment, [], options);
    if (session.dryRun) {
      const planned = { directory: plannedDirectory(session, deployment, options), build: plan };
      session.print(`${describeBuild(plan)}\nrelease: ${planned.directory}`);
      return { plan: planned };
    }
    const { directory, manifest, unchanged } = await makeRelease(session, deployment, plan, options);
    session.print(directory);
    return { directory, id: manifest.id, unchanged };
  },
};
