import path from 'node:path';
import type { Verb } from '../verb.ts';
import { words } from '../verb.ts';

export const verify: Verb = {
  name: 'verify',
  summary: 'prove that a release is complete and unchanged',
  arguments: [{ name: '<dir>', description: 'the release directory' }],
  example: 'verify build/release/chat-1.0.0',
  run: async (session, args) => {
    const { verifyRelease } = await import('../../release/verify-release.ts');
    const { runTasks } = await import('../../tasks.ts');
    const directory = path.resolve(words(args, 0)[0] ?? '.');
    let id = '';
    await runTasks(session.context, [
      {
        id: 'verify',
        title: `Verify ${path.basename(directory)}`,
        run: async (report) => {
          const { signal } = session.context;
          const { manifest } = await verifyRelease(directory, { signal, onProgress: report.progress });
          id = manifest.id;
          report.detail(`${id}, ${manifest.images.length} images, every digest holds`);
        },
      },
    ]);
    session.print(id);
    return { id };
  },
};
