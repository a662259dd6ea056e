import { formatPlatform } from '../../oci/platform.ts';
import { buildOptions } from '../build-options.ts';
import { words, type Verb } from '../verb.ts';

export const build: Verb = {
  name: 'build',
  summary: 'build the container images, one archive per component and platform',
  arguments: [{ name: '[component...]', description: 'only these (default: all of the recipe)' }],
  options: buildOptions,
  example: 'build server --platform linux/arm64',
  run: async (session, args, options) => {
    const { loadDeployment } = await import('../../site/load.ts');
    const { buildImages, describeBuild, planBuildOf } = await import('../pipeline/build-images.ts');
    const deployment = await loadDeployment(session.context, session.siteFile);
    const plan = planBuildOf(session, deployment, words(args, 0), options);
    if (session.dryRun) {
      session.print(describeBuild(plan));
      return { plan };
    }
    const archives = await buildImages(session, deployment, plan, options);
    for (const { file } of archives) session.print(file);
    return { archives: archives.map((archive) => ({ ...archive, platform: formatPlatform(archive.platform) })) };
  },
};
