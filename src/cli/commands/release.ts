import { buildOptions } from '../build-options.ts';
import { tellSteps } from '../report/format-steps.ts';
import type { Verb } from '../verb.ts';

export const release: Verb = {
  name: 'release',
  summary: 'build everything and make the release directory that is shipped',
  options: [
    ...buildOptions.filter(({ flags }) => !flags.startsWith('--platform')),
    { flags: '--sign <key>', description: 'sign with this SSH key: a private key, or a .pub file whose private half the agent holds (default: signing.key of the site)' },
    { flags: '--no-sign', description: 'leave the release unsigned though the site names a key' },
    { flags: '--bake', description: 'then bake a card of it for each of its ARM platforms' },
  ],
  example: 'release --output build --sign ~/.ssh/id_ed25519',
  run: async (session, _args, options) => {
    const { loadDeployment } = await import('../../site/load.ts');
    const { describeBuild, planBuildOf } = await import('../pipeline/build-images.ts');
    const { makeRelease, plannedDirectory, signingKey } = await import('../pipeline/make-release.ts');
    const deployment = await loadDeployment(session.context, session.siteFile);
    // A site without `os` is told so before an hour of building.
    const os = options['bake'] === true ? (await import('../../site/os-settings.ts')).requireOs(deployment) : undefined;
    const plan = planBuildOf(session, deployment, [], options);
    const key = await signingKey(deployment, options);
    if (session.dryRun) {
      const planned = { directory: plannedDirectory(session, deployment, options), build: plan, ...(key === undefined ? {} : { signingKey: key }) };
      session.print(`${describeBuild(plan)}\nrelease: ${planned.directory}${key === undefined ? '' : `, signed with ${key}`}${os ? '\nthen a card of it for each ARM platform' : ''}`);
      return { plan: planned };
    }
    const { directory, manifest, unchanged, signer } = await makeRelease(session, deployment, plan, options);
    session.print(directory);
    const made = { directory, id: manifest.id, unchanged, ...(signer ? { signer } : {}) };
    if (!os) {
      tellSteps(session.context, deployment.recipe.steps);
      return made;
    }
    const { bakeCards, cardPlatforms, planCards } = await import('../pipeline/bake-cards.ts');
    const { outputDirectory } = await import('../pipeline/site.ts');
    const { readRelease } = await import('../../release/read-release.ts');
    const { formatPlatform } = await import('../../oci/platform.ts');
    const request = { deployment, os, release: await readRelease(directory) };
    const platforms = cardPlatforms(request.release).map(formatPlatform);
    const cards = planCards(request, { ...options, output: undefined, platform: platforms }, outputDirectory(session, options));
    const baked = await bakeCards(session, request, cards, options);
    tellSteps(session.context, deployment.recipe.steps);
    return { ...made, cards: baked };
  },
};
