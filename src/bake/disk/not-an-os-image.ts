import { ExitStatus, ShipError } from '../../errors.ts';

/** E_NOT_AN_OS_IMAGE (exit status 2): `name` is not what can be baked upon; `what` says what it is instead. */
export function notAnOsImage(name: string, what: string, remedy = defaultRemedy): ShipError {
  return new ShipError({
    code: 'E_NOT_AN_OS_IMAGE',
    message: `'${name}' is not an image of an operating system for a Raspberry Pi: ${what}`,
    remedy,
    exitStatus: ExitStatus.usage,
  });
}

const defaultRemedy =
  'Use an image with a partition table, a FAT boot partition and an ext4 root partition, such as Raspberry Pi OS Lite.';
