import path from 'node:path';
import { withPrivateFiles } from '../../build/private-files.ts';
import type { Context } from '../../context.ts';
import { freeBytes, tooLittleSpace } from '../../host/free-space.ts';
import type { TaskReport } from '../../tasks.ts';
import { planCardLayout, type CardLayout } from '../assemble/card-layout.ts';
import { writeLayoutFolder } from '../assemble/layout-folder.ts';
import { measureTree } from '../assemble/measure.ts';
import { osImageStep } from '../assemble/os-image-build.ts';
import { made, type BakeInputs, type Bench } from './bench.ts';
import { buildOrExplain } from './build-or-explain.ts';

export async function layOut(context: Context, inputs: BakeInputs, bench: Bench, report: TaskReport): Promise<CardLayout> {
  const { plan, release, sourceDateEpoch } = inputs;
  const content = made(bench.content);
  const base = made(bench.base);
  const parts = [content, await measureTree(path.join(bench.directory, 'customise/files')), ...(bench.store ? [bench.store.measure] : [])];
  const seed = `${release.manifest.name}/${plan.base}`;
  const layout = planCardLayout(seed, { parts, bootBytes: content.bootBytes }, {
    ...(base.kind === 'image' ? { base: base.layout } : {}),
    ...(plan.sizeBytes === undefined ? {} : { sizeBytes: plan.sizeBytes }),
  });
  // The image as it is read, and compressed once more at worst.
  const usedBytes = parts.reduce((sum, { blocks }) => sum + blocks * 4096, 0) + content.bootBytes;
  const free = await freeBytes(bench.directory);
  if (free < usedBytes * 2) throw tooLittleSpace(bench.directory, usedBytes * 2, free, 'The image');
  const folder = path.join(bench.directory, 'layout');
  await writeLayoutFolder(folder, {
    layout,
    sourceDateEpoch,
    cmdline: made(bench.customisation).cmdline,
    compress: plan.compression,
    ...(base.kind === 'image' ? { baseTable: base.table, headFile: base.headFile } : {}),
    ...(bench.store ? { storeFile: bench.store.file } : {}),
  });
  await withPrivateFiles(context, inputs.secrets, async (secretFiles) => {
    const output = { kind: 'files', directory: path.join(bench.directory, 'image') } as const;
    await buildOrExplain(context, osImageStep(made(bench.build), 'image', output, { layoutDirectory: folder, secretFiles }), 'os-image', report);
  });
  return layout;
}
