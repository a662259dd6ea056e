import semver from 'semver';
import type { HostInventory } from '../device/inventory.ts';
import { ExitStatus, ShipError } from '../errors.ts';
import { checkVersions } from './check-versions.ts';
import type { UpdatePlan } from './plan-update.ts';

/** Kept free on the host beside what the update itself needs: logs, journals, containers' writes. */
const reserveBytes = 64 * 1024 * 1024;

/** How images come to a host: as archives, or pulled by its engine from a registry on this side. */
export type Transport = 'sftp' | 'registry';

export interface PreflightOptions {
  /** Default: `sftp`. */
  readonly transport?: Transport;
  readonly allowDowngrade?: boolean;
  /** Data follows the release to other names. */
  readonly renameDomain?: boolean;
  /** What an earlier upload of the same release has left on the host's disk. */
  readonly uploadedBytes?: number;
}

/**
 * Everything that can be known to go wrong before the host is touched.
 * @throws ShipError with exit status 3: E_READ_ONLY, E_DOWNGRADE, E_HOST_DISK_FULL, or of `checkVersions`
 */
export function preflight(plan: UpdatePlan, inventory: HostInventory, options: PreflightOptions = {}): void {
  checkWritable(plan, inventory);
  checkDowngrade(plan, options);
  checkVersions(plan, inventory, options);
  checkSpace(plan, inventory, options);
}

/** Linux makes a file system read-only when its card fails; nothing may be begun then that has to be written down. */
function checkWritable({ host }: UpdatePlan, { readOnlyPath }: HostInventory): void {
  if (readOnlyPath === undefined) return;
  throw new ShipError({
    code: 'E_READ_ONLY',
    message: `${host} cannot write to ${readOnlyPath}: its file system is read-only`,
    remedy: 'Look for I/O errors in `dmesg` there: a card that fails is made read-only. Back up its data, replace the card, or mount it read-write again.',
    exitStatus: ExitStatus.preflight,
  });
}

function checkDowngrade({ host, version, current }: UpdatePlan, { allowDowngrade }: PreflightOptions): void {
  if (allowDowngrade || !current || !semver.lt(version, current.version)) return;
  throw new ShipError({
    code: 'E_DOWNGRADE',
    message: `${host} runs release ${current.version}, which is newer than ${version}`,
    remedy: `\`prose-ship rollback ${host}\` returns to a release that was there before. If you do mean this one, add --allow-downgrade.`,
    exitStatus: ExitStatus.preflight,
  });
}

/** The upload and what the engine unpacks may share one disk, so both are asked of each. */
function checkSpace({ host, images, sendBytes }: UpdatePlan, inventory: HostInventory, { uploadedBytes = 0 }: PreflightOptions): void {
  const unpackedBytes = images.reduce((sum, image) => sum + image.unpackedBytes, 0);
  // overlay2 unpacks a whole archive into its data root before it registers the layers: twice the layers for a while.
  const engineBytes = inventory.store === 'containerd' ? unpackedBytes + sendBytes : 2 * unpackedBytes;
  if (sendBytes === 0) return;
  const missingBytes = sendBytes - uploadedBytes;
  const needs = [
    { where: '/var/lib/prose-ship', needBytes: missingBytes + reserveBytes, freeBytes: inventory.freeBytes },
    { where: "the engine's data root", needBytes: missingBytes + engineBytes + reserveBytes, freeBytes: inventory.engineFreeBytes },
  ];
  for (const { where, needBytes, freeBytes } of needs) {
    if (freeBytes >= needBytes) continue;
    throw new ShipError({
      code: 'E_HOST_DISK_FULL',
      message: `${host} has ${megabytes(freeBytes)} MB free in ${where}, the update needs ${megabytes(needBytes)} MB`,
      remedy: 'Free space there: `docker image prune` removes images that nothing uses; old releases go with `prose-ship exec HOST --sudo -- /usr/lib/prose-ship/updater prune`, or by themselves with `retention` in the site file.',
      exitStatus: ExitStatus.preflight,
    });
  }
}

function megabytes(bytes: number): number {
  return Math.ceil(bytes / 1e6);
}
