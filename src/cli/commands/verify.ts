import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { TaskReport } from '../../tasks.ts';
import type { Signer } from '../../release/signature/verify-signature.ts';
import { words, type Session, type Verb, type VerbOptions } from '../verb.ts';

/** What was found out; `signer` is that of a release, where it has one. */
interface Verified {
  readonly id: string;
  readonly signer?: Signer;
}

export const verify: Verb = {
  name: 'verify',
  summary: 'prove that a release or an OS image is complete and unchanged, and a release signed by whom you trust',
  arguments: [{ name: '<path>', description: 'the release directory, or any file of an OS image (.img, .img.xz, .image.json)' }],
  options: [{ flags: '--allowed-signers <file>', description: 'who may have signed the release (default: allowedSigners of the site)' }],
  example: 'verify build/release/chat-1.0.0',
  run: async (session, args, options) => {
    const { runTasks } = await import('../../tasks.ts');
    const target = path.resolve(words(args, 0)[0] ?? '.');
    const isOfRelease = await isRelease(target);
    if (!isOfRelease && options['allowedSigners'] !== undefined) throw await onlyReleases(target);
    let verified: Verified | undefined;
    await runTasks(session.context, [
      {
        id: 'verify',
        title: `Verify ${path.basename(target)}`,
        run: async (report) => {
          verified = isOfRelease ? await checkRelease(session, target, options, report) : { id: await checkImage(session, target, report) };
        },
      },
    ]);
    session.print(verified?.id ?? '');
    return verified;
  },
};

/** A folder is a release; so is a name that nothing has, unless it looks like a file of an image. */
async function isRelease(target: string): Promise<boolean> {
  const { imageStem } = await import('../../bake/publish/file-names.ts');
  const found = await stat(target).catch(() => undefined);
  return found ? found.isDirectory() : imageStem(target) === undefined;
}

async function checkRelease(session: Session, directory: string, options: VerbOptions, report: TaskReport): Promise<Verified> {
  const { verifyRelease } = await import('../../release/verify-release.ts');
  const { verifySignature } = await import('../../release/signature/verify-signature.ts');
  const { allowedSignersOf, describeSigner, siteIfAny } = await import('../pipeline/site.ts');
  const { context } = session;
  const named = options['allowedSigners'] !== undefined;
  const allowed = await allowedSignersOf(named ? undefined : await siteIfAny(session), options);
  const { manifest } = await verifyRelease(directory, { signal: context.signal, onProgress: report.progress });
  const signer = await verifySignature(context, directory, allowed?.file);
  report.detail(`${manifest.id}, ${manifest.images.length} images, every digest holds, ${describeSigner(signer)}`);
  return { id: manifest.id, ...(signer ? { signer } : {}) };
}

async function checkImage({ context }: Session, file: string, report: TaskReport): Promise<string> {
  const { verifyImage } = await import('../../bake/verify-image.ts');
  const { release, platform } = await verifyImage(file, { signal: context.signal, onProgress: report.progress });
  report.detail(`${release} for ${platform}, every digest holds`);
  return release;
}

async function onlyReleases(target: string): Promise<Error> {
  const { ExitStatus, ShipError } = await import('../../errors.ts');
  return new ShipError({
    code: 'E_USAGE',
    message: `'${target}' is no release, so it has no signature to check`,
    remedy: 'Leave --allowed-signers out; an OS image is checked against its image.json.',
    exitStatus: ExitStatus.usage,
  });
}
