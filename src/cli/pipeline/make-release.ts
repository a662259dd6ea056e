import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { BuildPlan } from '../../build/plan.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { packRelease, releaseDirectory, type PackResult } from '../../release/pack-release.ts';
import { signRelease } from '../../release/signature/sign-release.ts';
import { verifySignature, type Signer } from '../../release/signature/verify-signature.ts';
import type { Deployment } from '../../site/model.ts';
import { runTasks } from '../../tasks.ts';
import { buildImages } from './build-images.ts';
import { describeSigner, outputDirectory } from './site.ts';
import { word, type Session, type VerbOptions } from '../verb.ts';

export interface MadeRelease extends PackResult {
  readonly signer?: Signer;
}

export function plannedDirectory(session: Session, deployment: Deployment, options: VerbOptions): string {
  return releaseDirectory(path.join(outputDirectory(session, options), 'release'), deployment);
}

/**
 * The key that signs: `--sign`, else the site's; none with `--no-sign`. Asked before anything takes time.
 * @throws ShipError E_SIGN_KEY (exit status 2) when there is no such file
 */
export async function signingKey({ site }: Deployment, options: VerbOptions): Promise<string | undefined> {
  if (options['sign'] === false) return undefined;
  const named = word(options['sign']);
  const key = named === undefined ? site.signing?.key : path.resolve(named);
  if (key === undefined || (await stat(key).catch(() => undefined))?.isFile()) return key;
  throw new ShipError({
    code: 'E_SIGN_KEY',
    message: `There is no key '${key}' to sign with`,
    ...(named === undefined ? { place: { file: site.file } } : {}),
    remedy: 'Name a private key, or a .pub file whose private half the agent holds, with --sign KEY; --no-sign leaves the release unsigned.',
    exitStatus: ExitStatus.usage,
  });
}

/** Builds, archives, packs and signs. */
export async function makeRelease(session: Session, deployment: Deployment, plan: BuildPlan, options: VerbOptions): Promise<MadeRelease> {
  const { context } = session;
  const key = await signingKey(deployment, options);
  const archives = await buildImages(session, deployment, plan, options);
  const sign = key === undefined ? undefined : (directory: string, earlier: string) => signRelease(context, directory, key, earlier);
  let packed: PackResult | undefined;
  await runTasks(context, [
    {
      id: 'pack',
      title: `Pack release ${deployment.site.name} ${deployment.site.version}`,
      run: async (report) => {
        packed = await packRelease(deployment, archives, plannedDirectory(session, deployment, options), sign);
        report.detail(packed.unchanged ? `${packed.manifest.id}, unchanged` : packed.manifest.id);
      },
    },
  ]);
  if (!packed) throw new Error('unreachable: the task ran');
  const signer = await checkOwnSignature(session, deployment, packed.directory);
  return { ...packed, ...(signer ? { signer } : {}) };
}

/** What the hosts will ask is asked here first. An unsigned release may be what was wanted, so it is only told of. */
async function checkOwnSignature({ context }: Session, { site: { allowedSigners } }: Deployment, directory: string): Promise<Signer | undefined> {
  const signer = await verifySignature(context, directory);
  if (signer && allowedSigners) return verifySignature(context, directory, allowedSigners.file);
  if (signer) context.emit({ type: 'log', level: 'info', message: `The release is ${describeSigner(signer)}` });
  else if (allowedSigners) {
    context.emit({ type: 'log', level: 'warning', message: 'The release is not signed: hosts that have the site\'s allowed signers refuse it. Sign it with --sign KEY, or name `signing.key` in the site.' });
  }
  return signer;
}
