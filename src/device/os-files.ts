import path from 'node:path';
import { deviceFiles, devicePaths, type DeviceFile } from './files.ts';

/** Users of a card by number: containers and sudo know them so. */
export const cardUsers = {
  /** The first user, as on every Raspberry Pi OS. */
  login: 1000,
  /** Owns what services keep outside containers; not the login user, so that neither can touch the other's files. */
  service: 1001,
  serviceName: 'prose-ship',
} as const;

export interface OsFileChoice {
  readonly firewall: boolean;
  readonly securityUpdates: boolean;
}

/** What a baked card has besides the updater: the same for every site. `sources` of the result stand in src/device. */
export function osFiles({ firewall, securityUpdates }: OsFileChoice): readonly DeviceFile[] {
  return Object.freeze([
    ...deviceFiles(),
    osFile('first-boot', `${devicePaths.libraryDirectory}/first-boot`, 0o755),
    osFile('prose-ship-first-boot.service', '/etc/systemd/system/prose-ship-first-boot.service', 0o644),
    osFile('apparmor-service.conf', '/etc/systemd/system/apparmor.service.d/prose-ship.conf', 0o644),
    osFile('prose-ship-apparmor.service', '/etc/systemd/system/prose-ship-apparmor.service', 0o644),
    osFile('sshd.conf', '/etc/ssh/sshd_config.d/00-prose-ship.conf', 0o644),
    osFile('sudoers', '/etc/sudoers.d/010_prose-ship', 0o440),
    announcement(),
    osFile('journald.conf', '/etc/systemd/journald.conf.d/50-prose-ship.conf', 0o644),
    ...(firewall ? [osFile('nftables-service.conf', '/etc/systemd/system/nftables.service.d/prose-ship.conf', 0o644)] : []),
    ...(securityUpdates ? [osFile('unattended-upgrades.conf', '/etc/apt/apt.conf.d/52prose-ship', 0o644)] : []),
  ]);
}

/** Lets Avahi tell the local network what runs here; `prose-ship discover` listens for it. */
export function announcement(): DeviceFile {
  return osFile('avahi.service', '/etc/avahi/services/prose-ship.service', 0o644);
}

function osFile(name: string, target: string, mode: number): DeviceFile {
  return Object.freeze({ source: path.join(import.meta.dirname, 'os', name), target, mode, uid: 0, gid: 0 });
}
