import { buildOptions } from '../build-options.ts';
import type { Verb } from '../verb.ts';

export const release: Verb = {
  name: 'release',
  summary: 'build everything and make the release directory that is shipped',
  options: [
    ...buildOptions.filter(({ flags }) => !flags.startsWith('--platform')),
    { flags: '--bake', description: 'then bake a card of it for each of its ARM platforms' },
  ],
  example: 'release --output build',
  run: async (session, _args, options) => {
    const { loadDeployment } = await import('../../site/load.ts');
    const { describeBuild, planBuildOf } = await import('../pipeline/build-images.ts');
    const { makeRelease, plannedDirectory } = await import('../pipeline/make-release.ts');
    const deployment = await loadDeployment(session.context, session.siteFile);
    // A site without `os` is told so before an hour of building.
    const os = options['bake'] === true ? (await import('../../site/os-settings.ts')).requireOs(deployment) : undefined;
    const plan = planBuildOf(session, deployment, [], options);
    if (session.dryRun) {
      const planned = { directory: plannedDirectory(session, deployment, options), build: plan };
      session.print(`${describeBuild(plan)}\nrelease: ${planned.directory}${os ? '\nthen a card of it for each ARM platform' : ''}`);
      return { plan: planned };
    }
    const { directory, manifest, unchanged } = await makeRelease(session, deployment, plan, options);
    session.print(directory);
    const made = { directory, id: manifest.id, unchanged };
    if (!os) return made;
    const { bakeCards, cardPlatforms, planCards } = await import('../pipeline/bake-cards.ts');
    const { outputDirectory } = await import('../pipeline/site.ts');
    const { readRelease } = await import('../../release/read-release.ts');
    const { formatPlatform } = await import('../../oci/platform.ts');
    const request = { deployment, os, release: await readRelease(directory) };
    const platforms = cardPlatforms(request.release).map(formatPlatform);
    const cards = planCards(request, { ...options, output: undefined, platform: platforms }, outputDirectory(session, options));
    return { ...made, cards: await bakeCards(session, request, cards, options) };
  },
};
