import { ExitStatus, ShipError } from '../../../errors.ts';
import type { FlashTarget, Use } from './flash-target.ts';

export interface FlashNeeds {
  /** The size of the image; absent where only unpacking would tell. */
  readonly imageSizeBytes?: number;
  /** `8:1`: where the image's file lies. */
  readonly imageDeviceNumber: string;
  /** Whether the target is the image's own file. */
  readonly imageIsTarget: boolean;
  /** Lets through what the system does not call removable. */
  readonly force: boolean;
}

/** Whoever runs from these needs the disk that they are on. */
const systemMountPoints = /^\/(boot(\/.*)?|usr|var|home|etc|nix|System\/Volumes\/.*)?$/;

/** The first reason not to write to `target`, or undefined. Exit status 3: nothing was touched. */
export function refusal(target: FlashTarget, needs: FlashNeeds): ShipError | undefined {
  const { path, kind, uses } = target;
  const [use] = uses;
  const system = uses.find(({ kind, by }) => kind === 'mount' && systemMountPoints.test(by));
  if (kind === 'partition') {
    return refused('E_DEVICE_PARTITION', `${path} is a partition, and the image is of a whole disk`, `Name the disk: ${target.wholeDisk ?? 'without the number at the end'}.`);
  }
  if (system) return refused('E_DEVICE_SYSTEM', `${path} is the disk that this system runs from (${system.device} is ${system.by})`, 'Name another disk; `lsblk` lists them. --force does not help here.');
  if (needs.imageIsTarget || target.deviceNumbers.includes(needs.imageDeviceNumber)) {
    return refused('E_DEVICE_HOLDS_IMAGE', needs.imageIsTarget ? `${path} is the image itself` : `The image lies on ${path} itself`, 'Copy the image to another disk first.');
  }
  if (use) return refused('E_DEVICE_IN_USE', `${path} is in use: ${uses.map(describeUse).join(', ')}`, uses.map(releaseCommand).join('\n'));
  if (kind === 'disk' && target.sizeBytes === 0) return refused('E_DEVICE_EMPTY', `There is no card in ${path}`, 'Put one in.');
  if (target.readOnly) return refused('E_DEVICE_READ_ONLY', `${path} is read-only`, 'Move the slider at the side of the card, or its adapter.');
  if (!target.removable && !needs.force) {
    return refused(
      'E_DEVICE_NOT_REMOVABLE',
      `${path} (${[target.model, target.transport].filter(Boolean).join(', ') || 'no model known'}) is not a removable disk`,
      'If it is the right one all the same, add --force.',
    );
  }
  const { imageSizeBytes } = needs;
  // An empty file is as good as none: it grows.
  if (imageSizeBytes !== undefined && target.sizeBytes > 0 && target.sizeBytes < imageSizeBytes) return tooSmall(target, imageSizeBytes);
  return undefined;
}

export function tooSmall(target: FlashTarget, neededBytes: number, what = 'the image has'): ShipError {
  return refused('E_DEVICE_TOO_SMALL', `${target.path} has ${target.sizeBytes} bytes, ${what} ${neededBytes}`, `Use a larger card: ${neededBytes - target.sizeBytes} bytes are missing.`);
}

function describeUse({ device, by, kind }: Use): string {
  return kind === 'mount' ? `${device} is mounted at ${by}` : kind === 'swap' ? `${device} is swap space` : `${by} stands on it`;
}

function releaseCommand({ device, by, kind }: Use): string {
  if (process.platform === 'darwin') return `diskutil unmountDisk ${device.replace(/s\d+$/, '')}`;
  return kind === 'mount' ? `sudo umount '${by}'` : kind === 'swap' ? `sudo swapoff ${device}` : `Close ${device} first (vgchange -an, cryptsetup close or mdadm --stop).`;
}

function refused(code: ShipError['code'], message: string, remedy: string): ShipError {
  return new ShipError({ code, message, remedy, exitStatus: ExitStatus.preflight });
}
