import path from 'node:path';
import type { Context } from '../context.ts';
import type { Task } from '../tasks.ts';
import { provideCardBase } from './assemble/card-base.ts';
import { readMeasure } from './assemble/measure.ts';
import { osImageStep } from './assemble/os-image-build.ts';
import { writeCustomisation } from './customise/write-customisation.ts';
import { engineSource } from './engine-source/engine-source.ts';
import { fillStore, isPreloadProblem } from './preload/fill-store.ts';
import { findUnchanged, mayBeUnchanged } from './publish/find-unchanged.ts';
import { imageFileOf, made, type BakedImage, type BakeInputs, type Bench } from './steps/bench.ts';
import { buildOrExplain } from './steps/build-or-explain.ts';
import { describeBuild } from './steps/describe-build.ts';
import { finish } from './steps/finish.ts';
import { inputsDigest } from './steps/inputs-digest.ts';
import { layOut } from './steps/lay-out.ts';

export type { BakedImage, BakeInputs } from './steps/bench.ts';

/**
 * Bakes an OS image. `onImage` gets it; `directory` is a folder for work in progress, on the disk of the result, which
 * the caller removes. Where `image.json` tells of the same inputs, nothing is done, and no engine is opened.
 */
export function bakeTasks(context: Context, inputs: BakeInputs, directory: string, onImage: (image: BakedImage) => void): Task[] {
  const { plan, os, release, sourceDateEpoch } = inputs;
  const bench: Bench = { directory, preload: plan.preload, inputs: undefined, isUnchanged: false };
  const skip = () => (bench.isUnchanged ? 'unchanged since the last bake' : undefined);
  const customise = async (): Promise<void> => {
    bench.engineSource ??= await engineSource(context, os, plan.base);
    const options = { engine: bench.engineSource, os: { ...os, preload: bench.preload }, manifest: release.manifest, releaseDirectory: release.directory, platform: plan.platform, preload: bench.preload };
    bench.customisation = await writeCustomisation(path.join(directory, 'customise'), options);
  };
  return [
    {
      id: 'base',
      title: `Base ${plan.base}`,
      run: async (report) => {
        // A machine that cannot bake says so before gigabytes are downloaded; one that need not is not asked.
        if (inputs.noCache || !(await mayBeUnchanged(plan))) await inputs.engine();
        bench.base = await provideCardBase(context, { base: plan.base, platform: plan.platform, sourceDateEpoch, report });
        report.detail(bench.base.kind === 'image' ? bench.base.name : 'Debian, with its kernel and the firmware of the Raspberry Pi');
        await customise();
        bench.inputs = await inputsDigest(inputs, bench.base, path.join(directory, 'customise'));
        const found = inputs.noCache ? undefined : await findUnchanged(plan, bench.inputs, inputs.urlBase);
        if (!found) return;
        bench.isUnchanged = true;
        onImage({ ...found, file: imageFileOf(plan), preload: plan.preload, unchanged: true });
      },
    },
    {
      id: 'packages',
      title: 'Install packages',
      skip,
      run: async (report) => {
        bench.build = await describeBuild(context, inputs, bench, report);
        const output = path.join(directory, 'inventory');
        await buildOrExplain(context, osImageStep(made(bench.build), 'inventory', { kind: 'files', directory: output }), 'os-image', report);
        bench.content = await readMeasure(path.join(output, 'measure'));
      },
    },
    {
      id: 'preload',
      title: 'Fill the image store',
      skip: () => skip() ?? (bench.preload === 'archive' ? 'the first boot loads the images' : undefined),
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
      skip,
      run: async (report) => {
        bench.layout = await layOut(context, inputs, bench, report);
        report.detail(`${Math.ceil(bench.layout.diskBytes / 1024 ** 2)} MiB`);
      },
    },
    {
      id: 'publish',
      title: 'Check, and describe',
      skip,
      run: async (report) => {
        const image = await finish(context, inputs, bench, report);
        report.detail(path.basename(image.file));
        onImage(image);
      },
    },
  ];
}
