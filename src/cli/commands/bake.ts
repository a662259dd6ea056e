import path from 'node:path';
import { wrongUsage } from '../../errors.ts';
import { buildOptions } from '../build-options.ts';
import { word, type Verb } from '../verb.ts';

const shared = ['--builder', '--bases'];

export const bake: Verb = {
  name: 'bake',
  summary: 'make a ready-to-boot card for a Raspberry Pi from the release',
  options: [
    { flags: '--release <dir>', description: 'the release directory (default: what `prose-ship release` made of the site)' },
    { flags: '--platform <platform>', description: 'linux/arm64 or linux/arm/v7, or both (default: 64-bit where the release has it)', repeatable: true },
    { flags: '--base <base>', description: 'raspios-lite, raspios-legacy, debian, an image file, or its address (default: os.base of the site)' },
    { flags: '--preload <kind>', description: "images in the engine's store, or as archives (default: os.preload of the site)", choices: ['store', 'archive'] },
    { flags: '--output <path>', description: 'a folder, NAME.img.xz or NAME.img (default: build/os-image/ beside the site file)' },
    { flags: '--url-base <url>', description: 'where the image will be downloaded from; writes os_list.json for Raspberry Pi Imager' },
    { flags: '--pi-gen <dir>', description: 'write a stage for pi-gen into this folder instead' },
    ...buildOptions.filter(({ flags }) => shared.some((option) => flags.startsWith(option))),
    { flags: '--no-cache', description: 'bake though nothing changed, with the newest Debian packages' },
  ],
  example: 'bake --base debian --platform linux/arm64',
  run: async (session, _args, options) => {
    const { loadDeployment } = await import('../../site/load.ts');
    const { requireOs } = await import('../../site/os-settings.ts');
    const { describeBake } = await import('../pipeline/bake-image.ts');
    const { bakeCards, checkSigner, planCards } = await import('../pipeline/bake-cards.ts');
    const { outputDirectory, releaseOf } = await import('../pipeline/site.ts');
    const deployment = await loadDeployment(session.context, session.siteFile);
    const os = requireOs(deployment);
    // --output is where the image goes, not where the release is.
    const elsewhere = { ...options, output: undefined };
    const release = await releaseOf(session, deployment, elsewhere);
    const request = { deployment, os, release };
    const plans = planCards(request, options, outputDirectory(session, elsewhere));
    const piGen = word(options['piGen']);
    if (session.dryRun) {
      session.print(piGen ? `A pi-gen stage for ${release.manifest.id} would be written to ${path.resolve(piGen)}` : plans.map(describeBake).join('\n'));
      return { plans };
    }
    if (piGen) {
      const { writePiGenStage } = await import('../../bake/customise/pi-gen-stage.ts');
      const { engineSource } = await import('../../bake/engine-source/engine-source.ts');
      const [plan, another] = plans;
      if (!plan || another) throw wrongUsage('--pi-gen is for one platform', 'Name one --platform, and write another stage into another checkout.');
      await checkSigner(session, request);
      await writePiGenStage(path.resolve(piGen), { engine: await engineSource(session.context, os, plan.base), os, manifest: release.manifest, releaseDirectory: release.directory, platform: plan.platform });
      session.print(path.join(path.resolve(piGen), 'stage-prose-ship'));
      return { directory: path.resolve(piGen) };
    }
    return { cards: await bakeCards(session, request, plans, options) };
  },
};
