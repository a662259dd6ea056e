import { ExitStatus, ShipError } from '../errors.ts';
import type { ReleaseManifest } from '../release/manifest.ts';
import { releaseManifestSchema } from '../release/manifest-schema.ts';
import type { Device } from './device.ts';

/**
 * The manifest of the release that runs on a host.
 * @throws ShipError E_NOTHING_DEPLOYED when none has been rolled out there
 */
export async function currentManifest({ host, paths, connection }: Device): Promise<ReleaseManifest> {
  const { exitCode, stdout } = await connection.run(['cat', `${paths.stateDirectory}/current/release.json`], { sudo: true, expect: [1] });
  if (exitCode === 0) return releaseManifestSchema.parse(JSON.parse(stdout));
  throw new ShipError({
    code: 'E_NOTHING_DEPLOYED',
    message: `No release runs on ${host.name} yet`,
    remedy: `Roll one out with \`prose-ship update ${host.name}\`.`,
    exitStatus: ExitStatus.preflight,
  });
}
