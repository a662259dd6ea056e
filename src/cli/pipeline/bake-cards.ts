import path from 'node:path';
import type { BakedImage } from '../../bake/bake.ts';
import { planBake, type BakeOptions, type BakePlan } from '../../bake/plan-bake.ts';
import { wrongUsage } from '../../errors.ts';
import { formatPlatform, type Platform } from '../../oci/platform.ts';
import type { Release } from '../../release/read-release.ts';
import { releasePlatforms } from '../../release/rollout-plan.ts';
import { verifySignature } from '../../release/signature/verify-signature.ts';
import type { Deployment, OsSettings } from '../../site/model.ts';
import { word, type Session, type VerbOptions } from '../verb.ts';
import { bakeImage } from './bake-image.ts';
import { platformsOf } from './site.ts';

export interface CardsRequest {
  readonly deployment: Deployment;
  readonly os: OsSettings;
  readonly release: Release;
}

/** The platforms of a release that a Raspberry Pi runs. */
export function cardPlatforms({ manifest }: Release): readonly Platform[] {
  return releasePlatforms(manifest).filter(({ architecture }) => architecture === 'arm64' || architecture === 'arm');
}

/**
 * One plan for each platform of `--platform`, or one for the platform that `planBake` chooses.
 * @throws ShipError those of `planBake`; E_USAGE when several images were to go into one file
 */
export function planCards({ os, release }: CardsRequest, options: VerbOptions, outputDirectory: string): readonly BakePlan[] {
  const base = word(options['base']);
  const output = word(options['output']);
  const preload = word(options['preload']) as BakeOptions['preload'];
  const platforms = platformsOf(options) ?? [undefined];
  const plans = platforms.map((platform) =>
    planBake(os, release, {
      outputDirectory,
      ...(platform ? { platform } : {}),
      ...(base ? { base: isPath(base) ? path.resolve(base) : base } : {}),
      ...(preload ? { preload } : {}),
      ...(output ? { output } : {}),
    }),
  );
  if (new Set(plans.map(({ imageFile }) => imageFile)).size === plans.length) return plans;
  const platformNames = plans.map((plan) => formatPlatform(plan.platform)).join(' and ');
  throw wrongUsage(`${platformNames} cannot both go into ${plans[0]?.imageFile ?? ''}`, 'Name a folder with --output, and each platform once.');
}

/** Bakes one card after another, and prints where each is; a failure ends it, and the cards made until then stay. */
export async function bakeCards(session: Session, request: CardsRequest, plans: readonly BakePlan[], options: VerbOptions): Promise<readonly object[]> {
  await checkSigner(session, request);
  const baked: object[] = [];
  for (const plan of plans) {
    const image = await bakeImage(session, { ...request, plan }, options);
    session.print(image.file);
    baked.push(cardResult(plan, image));
  }
  return baked;
}

/** A card with allowed signers would refuse its own release at its first boot. */
export async function checkSigner({ context }: Session, { deployment: { site }, release }: CardsRequest): Promise<void> {
  if (site.allowedSigners) await verifySignature(context, release.directory, site.allowedSigners.file);
}

function cardResult(plan: BakePlan, { file, files, preload, unchanged, description }: BakedImage): object {
  return { platform: formatPlatform(plan.platform), file, files, preload, unchanged, description };
}

/** Names of bases and addresses are none. */
function isPath(base: string): boolean {
  return /[./]/.test(base) && !/^https?:\/\//i.test(base);
}
