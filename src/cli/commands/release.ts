import path from 'node:path';
import { buildOptions } from '../build-options.ts';
import { tellSteps } from '../report/format-steps.ts';
import { word, type Verb } from '../verb.ts';
import { bundleOptions } from './site/bundle.ts';

export const release: Verb = {
  name: 'release',
  summary: 'build everything and make the release directory that is shipped',
  options: [
    ...buildOptions.filter(({ flags }) => !flags.startsWith('--platform')),
    { flags: '--sign <key>', description: 'sign with this SSH key: a private key, or a .pub file whose private half the agent holds (default: signing.key of the site)' },
    { flags: '--no-sign', description: 'leave the release unsigned though the site names a key' },
    { flags: '--bake', description: 'then bake a card of it for each of its ARM platforms' },
    { flags: '--offline-bundle <dir>', description: 'then make a folder that installs it on hosts without any network, as `bundle` does' },
    ...bundleOptions,
  ],
  example: 'release --output build --sign ~/.ssh/id_ed25519',
  run: async (session, _args, options) => {
    const { loadDeployment } = await import('../../site/load.ts');
    const { describeBuild, planBuildOf } = await import('../pipeline/build-images.ts');
    const { makeRelease, plannedDirectory, signingKey } = await import('../pipeline/make-release.ts');
    const { makeBundle } = await import('../pipeline/make-bundle.ts');
    const { checkBundleTarget } = await import('../../bundle/stick/write-bundle.ts');
    const deployment = await loadDeployment(session.context, session.siteFile);
    // A site without `os` is told so before an hour of building.
    const os = options['bake'] === true ? (await import('../../site/os-settings.ts')).requireOs(deployment) : undefined;
    const plan = planBuildOf(session, deployment, [], options);
    const key = await signingKey(deployment, options);
    const bundleDirectory = word(options['offlineBundle']);
    // Nobody builds for an hour to hear that the stick is not there.
    if (bundleDirectory !== undefined) await checkBundleTarget(path.resolve(bundleDirectory));
    if (session.dryRun) {
      const planned = { directory: plannedDirectory(session, deployment, options), build: plan, ...(key === undefined ? {} : { signingKey: key }) };
      session.print(`${describeBuild(plan)}\nrelease: ${planned.directory}${key === undefined ? '' : `, signed with ${key}`}${os ? '\nthen a card of it for each ARM platform' : ''}${bundleDirectory === undefined ? '' : `\nthen a bundle in ${path.resolve(bundleDirectory)}`}`);
      return { plan: planned };
    }
    const { directory, manifest, unchanged, signer } = await makeRelease(session, deployment, plan, options);
    session.print(directory);
    const bundled = bundleDirectory === undefined ? undefined : await makeBundle(session, { deployment, release: { directory, manifest }, directory: bundleDirectory }, options);
    if (bundled) session.print(bundled.directory);
    const made = { directory, id: manifest.id, unchanged, ...(signer ? { signer } : {}), ...(bundled ? { bundle: bundled } : {}) };
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
