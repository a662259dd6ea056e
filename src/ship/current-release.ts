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

/** Runs what follows it, a service and a command, beside what the service runs itself. */
export function execCommand(device: Device, project: string): readonly string[] {
  if (device.host.engine === 'none') return [device.paths.updater, 'exec'];
  return [...compose(device, project), 'exec', '-T'];
}

export interface LogChoice {
  /** How many lines of each service, or `all`. */
  readonly tail: string;
  /** Goes on until it is ended. */
  readonly follow: boolean;
  /** None: all of them. */
  readonly services: readonly string[];
}

/** Prints what services say. */
export function logsCommand(device: Device, project: string, { tail, follow, services }: LogChoice): readonly string[] {
  if (device.host.engine === 'none') return [device.paths.updater, 'logs', `tail=${tail}`, ...(follow ? ['follow'] : []), ...services];
  return [...compose(device, project, '--ansi', 'never'), 'logs', '--no-color', '--tail', tail, ...(follow ? ['--follow'] : []), ...services];
}

function compose({ paths }: Device, project: string, ...options: readonly string[]): readonly string[] {
  return ['docker', 'compose', ...options, '--project-name', project, '--file', `${paths.stateDirectory}/current/compose.yaml`];
}
