import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { bakeTasks, type BakedImage } from '../../bake/bake.ts';
import type { BakePlan } from '../../bake/plan-bake.ts';
import { setupSecrets } from '../../bake/customise/setup-secrets.ts';
import { sourceDateEpochOf, type BasesProvider } from '../../build/plan.ts';
import type { Context } from '../../context.ts';
import { requireEmulation } from '../../host/engine/emulation.ts';
import type { Engine } from '../../host/engine/engine.ts';
import { openEngine } from '../../host/engine/open-engine.ts';
import { explainDiskFull } from '../../host/free-space.ts';
import { formatPlatform } from '../../oci/platform.ts';
import type { Release } from '../../release/read-release.ts';
import { Secret } from '../../secret.ts';
import type { Deployment, OsSettings } from '../../site/model.ts';
import { resolveOsSecrets } from '../../site/os-settings.ts';
import { runTasks } from '../../tasks.ts';
import { version } from '../version.ts';
import { word, type Session, type VerbOptions } from '../verb.ts';
import { runtimeSecrets } from './runtime-secrets.ts';

export interface BakeRequest {
  readonly deployment: Deployment;
  readonly os: OsSettings;
  readonly release: Release;
  readonly plan: BakePlan;
}

/** Carries a bake plan out; what it needs on the way is gone when it has ended, however it ended. */
export async function bakeImage(session: Session, { deployment, os, release, plan }: BakeRequest, options: VerbOptions): Promise<BakedImage> {
  const { context } = session;
  const sourceDateEpoch = sourceDateEpochOf(context.environment);
  const builder = word(options['builder']);
  const urlBase = word(options['urlBase']);
  const settled = await resolveOsSecrets(context, os);
  const runtime = await runtimeSecrets(session, deployment, release.manifest.secrets);
  const secrets = await secretsFolder(context, setupSecrets(settled, runtime, context.secrets));
  const target = path.dirname(plan.imageFile);
  await mkdir(target, { recursive: true });
  const directory = await mkdtemp(path.join(target, '.baking-'));
  let opened: Engine | undefined;
  const engine = async (): Promise<Engine> => {
    if (opened) return opened;
    opened = await openEngine(context, { allowPrivate: true });
    const { isPrivate, dockerHost } = opened;
    if (isPrivate) context.emit({ type: 'log', level: 'info', message: `No engine answers; using a private one (${opened.version})` });
    await requireEmulation(context, [plan.platform], { ...(dockerHost ? { dockerHost } : {}), ...(builder ? { builder } : {}) });
    return opened;
  };
  try {
    let baked: BakedImage | undefined;
    const inputs = {
      plan,
      os: settled,
      release,
      engine,
      bases: word(options['bases']) as BasesProvider,
      sourceDateEpoch,
      ...(builder ? { builder } : {}),
      noCache: options['cache'] === false,
      secrets,
      toolVersion: version(),
      ...(urlBase ? { urlBase } : {}),
    };
    await runTasks(context, bakeTasks(context, inputs, directory, (image) => (baked = image)));
    if (!baked) throw new Error('unreachable: the last task ran');
    return baked;
  } catch (error) {
    throw await explainDiskFull(error, directory, 'the image');
  } finally {
    await opened?.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

/** One line a fact, for people. */
export function describeBake(plan: BakePlan): string {
  return [
    `${path.basename(plan.imageFile)}${plan.compression.kind === 'none' ? '' : '.xz'}: ${plan.release} for ${formatPlatform(plan.platform)}`,
    `  base: ${plan.base}`,
    `  host name: ${plan.hostname}, login: ${plan.user}, by key only`,
    `  images: ${plan.preload === 'store' ? "in the engine's store, ready to run" : 'as archives; the first boot loads them'}`,
    `  size: ${plan.sizeBytes === undefined ? 'as small as the content allows' : `${plan.sizeBytes} bytes`}`,
    `  to: ${path.dirname(plan.imageFile)}`,
  ].join('\n');
}

/** A tar in base64, because BuildKit's secrets are single files and their number is in the Dockerfile. */
async function secretsFolder({ secrets }: Context, files: ReadonlyMap<string, string>): Promise<Readonly<Record<string, Secret>>> {
  if (files.size === 0) return {};
  const archive = pack();
  archive.entry({ name: 'secrets/', type: 'directory', mode: 0o700 });
  for (const [name, content] of files) archive.entry({ name, mode: 0o600 }, content);
  archive.finalize();
  return { 'card-secrets': secrets.add((await buffer(archive)).toString('base64')) };
}
