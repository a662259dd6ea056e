import { bundleFiles } from '../../../src/bundle/bundle.ts';
import { planBundle } from '../../../src/bundle/plan-bundle.ts';
import { writeBundle } from '../../../src/bundle/stick/write-bundle.ts';
import { createContext } from '../../../src/context.ts';
import type { Release } from '../../../src/release/read-release.ts';
import type { Deployment } from '../../../src/site/model.ts';
import type { TaskReport } from '../../../src/tasks.ts';

export const silentReport: TaskReport = { detail: () => {}, progress: () => {}, log: () => {}, children: () => Promise.resolve() };

/** A bundle without packages, so that no mirror is asked: for hosts that have an engine. */
export async function offlineBundle(directory: string, release: Release, packages: readonly string[] = []): Promise<void> {
  const deployment = { site: {}, recipe: { packages } } as unknown as Pick<Deployment, 'site' | 'recipe'>;
  const plan = planBundle(deployment, release, { directory, suite: 'trixie' });
  const files = await bundleFiles({ plan, release, secrets: new Map(), steps: 'What is left for you to do:\n  1. Nothing' }, new Map());
  await writeBundle(createContext(), directory, files, silentReport);
}
