/** A mounted file system, swap space, or anything else that uses a disk. */
export interface Use {
  /** `/dev/sdb1` */
  readonly device: string;
  /** `/media/card`, `[SWAP]`, or what holds it: `lvm vg0-root`. */
  readonly by: string;
  readonly kind: 'mount' | 'swap' | 'holder';
}

/** What is to be flashed, as the system describes it. */
export interface FlashTarget {
  /** As it was named, symlinks resolved: `/dev/sdb`. */
  readonly path: string;
  /** What is opened: macOS has a raw device beside the buffered one. */
  readonly openPath: string;
  readonly kind: 'disk' | 'partition' | 'file' | 'new-file';
  /** 0 for a new file. */
  readonly sizeBytes: number;
  /** `SanDisk Ultra USB 3.0`; absent for files. */
  readonly model?: string;
  /** How it is attached, in the words of the system: `usb`, `nvme`. */
  readonly transport?: string;
  readonly removable: boolean;
  readonly readOnly: boolean;
  /** The disk of a partition. */
  readonly wholeDisk?: string;
  /** What is on it now: `sdb1 vfat bootfs`. */
  readonly contents: readonly string[];
  readonly uses: readonly Use[];
  /** `8:16` of it and of all its parts, as in /proc/self/mountinfo; empty where the system has no such numbers. */
  readonly deviceNumbers: readonly string[];
}
