/** What QEMU is handed instead of a boot loader. */
export interface Kernel {
  /** For people: `Debian 6.12.1-arm64 of the image`. */
  readonly name: string;
  readonly kernelFile: string;
  readonly initrdFile: string;
  /** An ext4 image that the initramfs lays over /lib/modules, where the root file system has none of this kernel. */
  readonly modulesFile?: string;
}

/** The label of such a drive (dockerfiles/boot-kit.Dockerfile). */
const modulesLabel = 'prose-modules';

/**
 * The kernel's command line. Of what the image's own cmdline.txt says, that stays which this machine understands too:
 * consoles, disks and first-boot programs belong to the hardware or are written for its boot loader.
 * @param root `UUID=...`, which survives a partition that grows
 */
export function kernelParameters(root: string, cmdlineText: string, kernel: Pick<Kernel, 'modulesFile'>): string {
  const ours = /^(root|rootfstype|rootwait|ro|rw|console|init|quiet|splash|resize|fsck\.repair|systemd\.(run|unit)\w*|plymouth\..*|logo\..*|vt\..*)(=|$)/;
  const kept = cmdlineText.split(/\s+/).filter((word) => word !== '' && !ours.test(word));
  return [
    `root=${root}`,
    'rootfstype=ext4',
    'rw',
    'console=ttyAMA0',
    'fsck.repair=yes',
    ...(kernel.modulesFile ? [`prose_ship.modules=LABEL=${modulesLabel}`] : []),
    ...kept,
  ].join(' ');
}
