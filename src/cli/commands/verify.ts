import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { TaskReport } from '../../tasks.ts';
import type { Session, Verb } from '../verb.ts';
import { words } from '../verb.ts';

export const verify: Verb = {
  name: 'verify',
  summary: 'prove that a release or an OS image is complete and unchanged',
  arguments: [{ name: '<path>', description: 'the release directory, or any file of an OS image (.img, .img.xz, .image.json)' }],
  example: 'verify build/release/chat-1.0.0',
  run: async (session, args) => {
    const { runTasks } = await import('../../tasks.ts');
    const target = path.resolve(words(args, 0)[0] ?? '.');
    const check = (await isRelease(target)) ? checkRelease : checkImage;
    let id = '';
    await runTasks(session.context, [
      {
        id: 'verify',
        title: `Verify ${path.basename(target)}`,
        run: async (report) => {
          id = await check(session, target, report);
        },
      },
    ]);
    session.print(id);
    return { id };
  },
};

/** A folder is a release; so is a name that nothing has, unless it looks like a file of an image. */
async function isRelease(target: string): Promise<boolean> {
  const { imageStem } = await import('../../bake/publish/file-names.ts');
  const found = await stat(target).catch(() => undefined);
  return found ? found.isDirectory() : imageStem(target) === undefined;
}

async function checkRelease({ context }: Session, directory: string, report: TaskReport): Promise<string> {
  const { verifyRelease } = await import('../../release/verify-release.ts');
  const { manifest } = await verifyRelease(directory, { signal: context.signal, onProgress: report.progress });
  report.detail(`${manifest.id}, ${manifest.images.length} images, every digest holds`);
  return manifest.id;
}

async function checkImage({ context }: Session, file: string, report: TaskReport): Promise<string> {
  const { verifyImage } = await import('../../bake/verify-image.ts');
  const { release, platform } = await verifyImage(file, { signal: context.signal, onProgress: report.progress });
  report.detail(`${release} for ${platform}, every digest holds`);
  return release;
}
