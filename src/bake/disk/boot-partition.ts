/** Which way of booting a FAT boot partition is made for; the root file system says more. */
export type BootKind = 'raspberry-pi-os' | 'debian' | 'unknown';

/** How root= of a kernel command line names its partition. */
export interface RootDevice {
  readonly by: 'PARTUUID' | 'UUID' | 'LABEL' | 'PARTLABEL' | 'number';
  readonly value: string;
}

/**
 * Told from the names in the root directory of the boot partition, cmdline.txt and the label. Raspberry Pi OS: the
 * firmware and kernels named kernel*.img, or its own first-boot program as init. Debian's raspi-firmware keeps Debian's
 * file names (vmlinuz-VERSION); Ubuntu has a vmlinuz as well, but labels the partition system-boot.
 */
export function bootKindOf(files: readonly string[], kernelCommandLine: string | undefined, label: string): BootKind {
  const has = (pattern: RegExp) => files.some((file) => pattern.test(file));
  if (label.toLowerCase() === 'system-boot') return 'unknown';
  if (has(/^vmlinuz(-|$)/i)) return 'debian';
  const firmware = has(/^(bootcode\.bin|start(4|_x|4x|_cd|4cd|_db|4db)?\.elf)$/i);
  if (firmware && has(/^kernel[\w-]*\.img$/i)) return 'raspberry-pi-os';
  return /(^|\s)init=\/usr\/lib\/rasp/.test(kernelCommandLine ?? '') ? 'raspberry-pi-os' : 'unknown';
}

/** The last root= counts, as for the kernel; undefined when there is none or it names no partition. */
export function rootDevice(kernelCommandLine: string): RootDevice | undefined {
  const value = kernelCommandLine
    .split(/\s+/)
    .findLast((word) => word.startsWith('root='))
    ?.slice('root='.length)
    .replaceAll('"', '');
  if (!value) return undefined;
  const named = /^(PARTUUID|UUID|LABEL|PARTLABEL)=(.+)$/.exec(value) ?? /^\/dev\/disk\/by-(partuuid|uuid|label|partlabel)\/(.+)$/.exec(value);
  if (named?.[1] && named[2]) return { by: named[1].toUpperCase() as RootDevice['by'], value: named[2] };
  const number = /^\/dev\/(?:mmcblk\d+p|nvme\d+n\d+p|sd[a-z]+|vd[a-z]+)(\d+)$/.exec(value)?.[1];
  return number ? { by: 'number', value: number } : undefined;
}
