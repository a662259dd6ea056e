import path from 'node:path';
import type { Context } from '../context.ts';
import type { Task } from '../tasks.ts';
import { provideCardBase } from './assemble/card-base.ts';
import { readMeasure } from './assemble/measure.ts';
import { osImageStep } from './assemble/os-image-build.ts';
import { writeCustomisation } from './customise/write-customisation.ts';
import { fillStore, isPreloadProblem } from './preload/fill-store.ts';
import { made, type BakedImage, type BakeInputs, type Bench } from './steps/bench.ts';
import { buildOrExplain } from './steps/build-or-explain.ts';
import { describeBuild } from './steps/describe-build.ts';
import { finish } from './steps/finish.ts';
import { layOut } from './steps/lay-out.ts';

export type { BakedImage, BakeInputs } from './steps/bench.ts';

/**
 * Bakes an OS image. `onImage` gets it; `directory` is a folder for work in progress, on the disk of the result, which
 * the caller removes.
 */
export function bakeTasks(context: Context, inputs: BakeInputs, directory: string, onImage: (image: BakedImage) => void): Task[] {
  const { plan, os, release, sourceDateEpoch } = inputs;
  const bench: Bench = { directory, preload: plan.preload };
  const customise = async (): Promise<void> => {
    const options = { os: { ...os, preload: bench.preload }, manifest: release.manifest, releaseDirectory: release.directory, platform: plan.platform, preload: bench.preload };
    bench.customisation = await writeCustomisation(path.join(directory, 'customise'), options);
  };
  return [
    {
      id: 'base',
      title: `Base ${plan.base}`,
      run: async (report) => {
        bench.base = await provideCardBase(context, { base: plan.base, platform: plan.platform, sourceDateEpoch, report });
        bench.build = await describeBuild(context, inputs, bench, report);
        report.detail(bench.base.kind === 'image' ? bench.base.name : 'Debian, with its kernel and the firmware of the Raspberry Pi');
      },
    },
    {
      id: 'packages',
      title: 'Install packages',
      run: async (report) => {
        await customise();
        const output = path.join(directory, 'inventory');
        await buildOrExplain(context, osImageStep(made(bench.build), 'inventory', { kind: 'files', directory: output }), 'os-image', report);
        bench.content = await readMeasure(path.join(output, 'measure'));
      },
    },
    {
      id: 'preload',
      title: 'Fill the image store',
      skip: () => (bench.preload === 'archive' ? 'the first boot loads the images' : undefined),
      run: async (report) => {
        try {
          bench.store = await fillStore(context, { build: made(bench.build), release, platform: plan.platform, directory: path.join(directory, 'store'), report });
          report.detail(`by engine ${bench.store.engineVersion}`);
        } catch (error) {
          if (!isPreloadProblem(error)) throw error;
          report.log(`${error.message}: the card gets archives, and its first boot loads them`, 'warning');
          bench.preload = 'archive';
          await customise();
          report.detail('not possible here; the first boot loads the images');
        }
      },
    },
    {
      id: 'disk',
      title: 'Lay out the card',
      run: async (report) => {
        bench.layout = await layOut(context, inputs, bench, report);
        report.detail(`${Math.ceil(bench.layout.diskBytes / 1024 ** 2)} MiB`);
      },
    },
    {
      id: 'publish',
      title: 'Check, and describe',
      run: async (report) => {
        const image = await finish(context, inputs, bench, report);
        report.detail(path.basename(image.file));
        onImage(image);
      },
    },
  ];
}
