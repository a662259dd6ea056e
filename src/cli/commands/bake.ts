import path from 'node:path';
import { buildOptions } from '../build-options.ts';
import { word, type Verb } from '../verb.ts';

const shared = ['--builder', '--bases', '--no-cache'];

export const bake: Verb = {
  name: 'bake',
  summary: 'make a ready-to-boot card for a Raspberry Pi from the release',
  options: [
    { flags: '--release <dir>', description: 'the release directory (default: the one of the site)' },
    { flags: '--platform <platform>', description: 'linux/arm64 or linux/arm/v7 (default: 64-bit where the release has it)' },
    { flags: '--base <base>', description: 'raspios-lite, raspios-legacy, debian, an image file, or its address (default: os.base of the site)' },
    { flags: '--preload <kind>', description: "images in the engine's store, or as archives (default: os.preload of the site)", choices: ['store', 'archive'] },
    { flags: '--output <path>', description: 'a folder, NAME.img.xz or NAME.img (default: build/os-image/ beside the site file)' },
    { flags: '--url-base <url>', description: 'where the image will be downloaded from; writes os_list.json for Raspberry Pi Imager' },
    { flags: '--pi-gen <dir>', description: 'write a stage for pi-gen into this folder instead' },
    ...buildOptions.filter(({ flags }) => shared.some((option) => flags.startsWith(option))),
  ],
  example: 'bake --base debian --platform linux/arm64',
  run: async (session, _args, options) => {
    const { loadDeployment } = await import('../../site/load.ts');
    const { requireOs } = await import('../../site/os-settings.ts');
    const { planBake } = await import('../../bake/plan-bake.ts');
    const { bakeImage, describeBake } = await import('../pipeline/bake-image.ts');
    const { outputDirectory, platformsOf, releaseOf } = await import('../pipeline/site.ts');
    const deployment = await loadDeployment(session.context, session.siteFile);
    const os = requireOs(deployment);
    const release = await releaseOf(session, deployment, { ...options, output: undefined });
    const text = (name: string) => word(options[name]);
    const named = text('platform');
    const [platform] = named === undefined ? [] : (platformsOf({ platform: [named] }) ?? []);
    const base = text('base');
    const output = text('output');
    const preload = text('preload') as 'store' | 'archive' | undefined;
    const plan = planBake(os, release, {
      outputDirectory: outputDirectory(session, { ...options, output: undefined }),
      ...(platform ? { platform } : {}),
      ...(base ? { base: isPath(base) ? path.resolve(base) : base } : {}),
      ...(preload ? { preload } : {}),
      ...(output ? { output } : {}),
    });
    const piGen = text('piGen');
    if (session.dryRun) {
      session.print(piGen ? `A pi-gen stage for ${plan.release} would be written to ${path.resolve(piGen)}` : describeBake(plan));
      return { plan };
    }
    if (piGen) {
      const { writePiGenStage } = await import('../../bake/customise/pi-gen-stage.ts');
      await writePiGenStage(path.resolve(piGen), { os, manifest: release.manifest, releaseDirectory: release.directory, platform: plan.platform });
      session.print(path.join(path.resolve(piGen), 'stage-prose-ship'));
      return { directory: path.resolve(piGen) };
    }
    const image = await bakeImage(session, { deployment, os, release, plan }, options);
    session.print(image.file);
    return { file: image.file, files: image.files, preload: image.preload, description: image.description };
  },
};

/** Names of bases and addresses are none. */
function isPath(base: string): boolean {
  return /[./]/.test(base) && !/^https?:\/\//i.test(base);
}
