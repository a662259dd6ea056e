import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

/** Fixed paths on a device (docs/internals/device.md); the updater and the rendered Compose files know the same ones. */
export const devicePaths = {
  libraryDirectory: '/usr/lib/prose-ship',
  updater: '/usr/lib/prose-ship/updater',
  unit: '/etc/systemd/system/prose-ship.service',
  stateDirectory: '/var/lib/prose-ship',
  /** SFTP drop zone; belongs to the SSH login user, mode 0700. */
  incomingDirectory: '/var/lib/prose-ship/incoming',
  releasesDirectory: '/var/lib/prose-ship/releases',
  filesDirectory: '/var/lib/prose-ship/files',
  secretsDirectory: '/var/lib/prose-ship/secrets',
  /** `SERVICE` exists while the service is stopped; it is the page to show (docs/recipes/web-services.md). */
  maintenanceDirectory: '/var/lib/prose-ship/maintenance',
  /** `SERVICE` exists while the service answers on the second of its two ports. */
  secondPortDirectory: '/var/lib/prose-ship/second-port',
  /** Where it exists: the platforms that this device runs, one a line, in place of its own. */
  platformsFile: '/etc/prose-ship/platforms',
  /** Where it exists: who may sign releases; every other release is refused. */
  allowedSignersFile: '/etc/prose-ship/allowed_signers',
} as const;

/**
 * The same on a host where nobody is root: everything is in one folder of the login user's, and relative to the home, which is
 * where commands and SFTP begin.
 */
const userRoot = '.local/share/prose-ship';
export const userPaths: Readonly<Record<keyof typeof devicePaths, string>> = {
  libraryDirectory: `${userRoot}/lib`,
  updater: `${userRoot}/lib/updater`,
  unit: '.config/systemd/user/prose-ship.service',
  stateDirectory: userRoot,
  incomingDirectory: `${userRoot}/incoming`,
  releasesDirectory: `${userRoot}/releases`,
  filesDirectory: `${userRoot}/files`,
  secretsDirectory: `${userRoot}/secrets`,
  maintenanceDirectory: `${userRoot}/maintenance`,
  secondPortDirectory: `${userRoot}/second-port`,
  platformsFile: `${userRoot}/settings/platforms`,
  allowedSignersFile: `${userRoot}/settings/allowed_signers`,
};

/** Where things are on a host. */
export function pathsOf(host: { readonly engine?: 'none' }): Readonly<Record<keyof typeof devicePaths, string>> {
  return host.engine === 'none' ? userPaths : devicePaths;
}

/** One file that provisioning lays onto a device, or baking into its image. */
export interface DeviceFile {
  /** Absolute path here. */
  readonly source: string;
  /** Absolute path on the device. */
  readonly target: string;
  /** Permission bits, 0o755. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** The parts of the updater first and the program itself last, so that a half-done installation never runs. */
export function deviceFiles(): readonly DeviceFile[] {
  const parts = readdirSync(path.join(import.meta.dirname, 'updater.d'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.sh')).sort();
  return Object.freeze([
    ...parts.map((part) => deviceFile(`updater.d/${part}`, `${devicePaths.libraryDirectory}/updater.d/${part}`, 0o644)),
    deviceFile('prose-ship.service', devicePaths.unit, 0o644),
    deviceFile('updater', devicePaths.updater, 0o755),
  ]);
}

function deviceFile(source: string, target: string, mode: number): DeviceFile {
  return Object.freeze({ source: path.join(import.meta.dirname, source), target, mode, uid: 0, gid: 0 });
}

/** The version of the updater that `deviceFiles` lays down; `inventory` reports the one on a device. */
export function updaterVersion(): number {
  const program = readFileSync(path.join(import.meta.dirname, 'updater'), 'utf8');
  const version = /^version=(\d+)$/m.exec(program)?.[1];
  if (version === undefined) throw new Error('src/device/updater has no line version=N');
  return Number(version);
}
