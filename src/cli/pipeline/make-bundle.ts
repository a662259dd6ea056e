import path from 'node:path';
import { bundleTasks, type Bundle } from '../../bundle/bundle.ts';
import { planBundle, type BundlePlan, type BundleSuite } from '../../bundle/plan-bundle.ts';
import { wrongUsage } from '../../errors.ts';
import { formatPlatform } from '../../oci/platform.ts';
import type { Release } from '../../release/read-release.ts';
import { verifyRelease } from '../../release/verify-release.ts';
import { verifySignature } from '../../release/signature/verify-signature.ts';
import type { Deployment } from '../../site/model.ts';
import { runTasks, type Task } from '../../tasks.ts';
import { formatSteps } from '../report/format-steps.ts';
import { word, type Session, type VerbOptions } from '../verb.ts';
import { runtimeSecrets } from './runtime-secrets.ts';
import { describeSigner, platformsOf } from './site.ts';

export interface BundleRequest {
  readonly deployment: Deployment;
  readonly release: Release;
  readonly directory: string;
}

export function planBundleOf({ deployment, release, directory }: BundleRequest, options: VerbOptions): BundlePlan {
  const suite = (word(options['debian']) ?? 'trixie') as BundleSuite;
  return planBundle(deployment, release, { directory: path.resolve(directory), suite, platforms: platformsOf(options) });
}

/** For people. */
export function describeBundle({ directory, release, suite, platforms, enginePackages, packages, secrets }: BundlePlan): string {
  return [
    `${directory}: ${release} for ${platforms.map(({ platform }) => formatPlatform(platform)).join(', ')} on ${suite}`,
    `  engine: ${enginePackages.join(', ')}`,
    `  packages of the recipe: ${packages.join(', ') || 'none'}`,
    `  secrets that the host asks for: ${secrets.join(', ') || 'none'}`,
  ].join('\n');
}

/** The release is proven first: whoever carries the folder to the host cannot ask for another. */
export async function makeBundle(session: Session, request: BundleRequest, options: VerbOptions): Promise<Bundle> {
  const { context } = session;
  const { deployment, release } = request;
  const plan = planBundleOf(request, options);
  const secrets = await secretsOf(session, deployment, release, options);
  const { allowedSigners } = deployment.site;
  const steps = deployment.recipe.steps ?? [];
  const verify: Task = {
    id: 'verify',
    title: `Verify release ${plan.release}`,
    run: async (report) => {
      await verifyRelease(release.directory, { blobs: false, signal: context.signal, onProgress: report.progress });
      const signer = await verifySignature(context, release.directory, allowedSigners?.file);
      if (signer) report.detail(describeSigner(signer));
    },
  };
  const inputs = { plan, release, allowedSigners, secrets, steps: steps.length === 0 ? '' : formatSteps(steps) };
  let made: Bundle | undefined;
  await runTasks(context, [verify, ...bundleTasks(context, inputs, (bundle) => (made = bundle))]);
  if (!made) throw new Error('unreachable: the last task ran');
  return made;
}

/** Only who says so twice gets secrets onto a stick. */
async function secretsOf(session: Session, deployment: Deployment, { manifest }: Release, options: VerbOptions): Promise<ReadonlyMap<string, string>> {
  if (options['withSecrets'] !== true) return new Map();
  if (!(await session.confirm('Whoever finds the stick can read the secrets on it, and act as the server. Put them there in plain text?'))) {
    throw wrongUsage('--with-secrets puts secrets in plain text onto a stick, and nobody agreed to that', 'Leave it out: install.sh asks for them on the host. If it must be, add --yes.', 'E_PLAIN_SECRETS');
  }
  return runtimeSecrets(session, deployment, manifest.secrets);
}
