import semver from 'semver';
import type { ReleaseManifest } from '../release/manifest.ts';

type EngineRequirements = NonNullable<ReleaseManifest['requires']>;

/** The oldest that load what is sent and run our Compose files: Debian 12's docker.io, and the first Compose v2 with `up --wait`'s fixes. */
export const engineMinimum = { engine: '20.10.0', compose: '2.17.0' } as const;

/** What a recipe needs, and never less than what the updater does. */
export function effectiveMinimum(part: keyof EngineRequirements, requires: EngineRequirements): string {
  const wanted = requires[part];
  return wanted !== undefined && semver.gt(wanted, engineMinimum[part]) ? wanted : engineMinimum[part];
}
