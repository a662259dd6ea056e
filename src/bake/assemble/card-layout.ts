import { createHash } from 'node:crypto';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { OsImageLayout } from '../disk/inspect-image.ts';

/** How much a tree takes, as `measure.sh` and `preload.sh` count it. */
export interface Measure {
  /** Of 4096 bytes. */
  readonly blocks: number;
  readonly inodes: number;
}

/** Where everything lies on the card; all of it is decided before anything is written. */
export interface CardLayout {
  readonly diskBytes: number;
  readonly boot: { readonly startBytes: number; readonly sizeBytes: number };
  readonly root: {
    readonly startBytes: number;
    readonly sizeBytes: number;
    readonly uuid: string;
    readonly hashSeed: string;
    readonly label: string;
    /** e2fsprogs' names. */
    readonly features: readonly string[];
    readonly inodes: number;
    readonly inodeBytes: number;
    readonly journalMiB: number;
    readonly reservedPercent: number;
  };
  /** For a new boot partition: its volume id, 8 hex digits, and the disk's. Absent: those of the base stay. */
  readonly fresh?: { readonly volumeId: string; readonly diskId: string };
}

export interface CardContent {
  /** Measures of all that goes into the root file system. */
  readonly parts: readonly Measure[];
  /** What the boot partition of a fresh card must hold. */
  readonly bootBytes: number;
}

const mib = 1024 ** 2;
const blockBytes = 4096;
/** Raspberry Pi Imager's images and pi-gen's align so, because cards erase in such pieces. */
const alignmentBytes = 4 * mib;
/** Room for the kernel and initramfs of two updates beside those there. */
const freshBootBytes = 512 * mib;
const firstPartitionBytes = 4 * mib;
/** Until the first boot has grown the file system there must be room for logs, and for an engine that starts. */
const headroomBytes = 160 * mib;
/** As mke2fs counts for a file system of this size (mke2fs.conf, inode_ratio). */
const bytesForAnInode = 16_384;
const freshInodeBytes = 256;
/** What every kernel since 4.x reads; later ones of mke2fs's defaults (orphan_file, metadata_csum_seed) older tools refuse. */
const freshFeatures = ['has_journal', 'ext_attr', 'resize_inode', 'dir_index', 'filetype', 'extent', '64bit', 'flex_bg', 'sparse_super', 'large_file', 'huge_file', 'dir_nlink', 'extra_isize', 'metadata_csum'];
const freshJournalMiB = 64;
const reservedPercent = 1;
/** Set by the kernel or by what is stored, not by whoever makes a file system. */
const stateFeatures = ['needs_recovery', 'orphan_present', 'large_dir', 'ea_inode'];

/**
 * A card as small as its content allows, or of `sizeBytes`. Of a base image the partitions' places, ids, labels and the
 * file system's UUID and features stay; the root partition, which must be the last, gets a new end.
 * @param seed what ids of a fresh card are made of
 * @throws ShipError E_CARD_TOO_SMALL with the numbers, E_BASE_LAYOUT; exit status 3
 */
export function planCardLayout(seed: string, content: CardContent, options: { base?: OsImageLayout; sizeBytes?: number }): CardLayout {
  const { base } = options;
  if (!base) requireBootSpace(content.bootBytes);
  else requireRootLast(base);
  const start = base ? base.root.startBytes : firstPartitionBytes + freshBootBytes;
  // A GPT ends with its backup.
  const tailBytes = base?.table.kind === 'gpt' ? mib : 0;
  const journalMiB = base ? Math.round((base.ext4.journalBlocks * base.ext4.blockBytes) / mib) : freshJournalMiB;
  const inodeBytes = base?.ext4.inodeBytes ?? freshInodeBytes;
  const neededBytes = needed(content.parts, journalMiB, inodeBytes);
  const available = options.sizeBytes === undefined ? undefined : options.sizeBytes - start - tailBytes;
  if (available !== undefined && available < neededBytes) throw tooSmall(options.sizeBytes ?? 0, start + tailBytes + neededBytes);
  const sizeBytes = available === undefined ? ceilTo(neededBytes, alignmentBytes) : Math.floor(available / blockBytes) * blockBytes;
  const ids = stableIds(seed);
  return Object.freeze({
    diskBytes: start + sizeBytes + tailBytes,
    boot: base ? { startBytes: base.boot.startBytes, sizeBytes: base.boot.sizeBytes } : { startBytes: firstPartitionBytes, sizeBytes: freshBootBytes },
    root: {
      startBytes: start,
      sizeBytes,
      uuid: base?.ext4.uuid ?? ids.uuid,
      hashSeed: base?.ext4.hashSeed ?? ids.hashSeed,
      label: base ? base.ext4.label : 'rootfs',
      features: base ? base.ext4.features.filter((feature) => !stateFeatures.includes(feature)) : freshFeatures,
      inodes: inodesFor(content.parts, sizeBytes),
      inodeBytes,
      journalMiB,
      reservedPercent,
    },
    ...(base ? {} : { fresh: { volumeId: ids.volumeId, diskId: ids.diskId } }),
  });
}

function needed(parts: readonly Measure[], journalMiB: number, inodeBytes: number): number {
  const content = parts.reduce((sum, { blocks }) => sum + blocks, 0) * blockBytes;
  const beforeTables = (content + journalMiB * mib + headroomBytes) * 1.03;
  const inodes = inodesFor(parts, beforeTables);
  return Math.ceil((beforeTables + inodes * inodeBytes) / (1 - reservedPercent / 100));
}

function inodesFor(parts: readonly Measure[], sizeBytes: number): number {
  const used = parts.reduce((sum, { inodes }) => sum + inodes, 0);
  return Math.ceil(Math.max(used * 1.25, sizeBytes / bytesForAnInode));
}

/** The same for the same site, so that two bakes give the same bytes, and different for different ones. */
function stableIds(seed: string): { uuid: string; hashSeed: string; volumeId: string; diskId: string } {
  const hash = (what: string) => createHash('sha256').update(`${what}\0${seed}`).digest('hex');
  // RFC 9562, version 8: made of whatever its maker likes.
  const uuid = (hex: string) => `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-9${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  return { uuid: uuid(hash('root')), hashSeed: uuid(hash('seed')), volumeId: hash('volume').slice(0, 8), diskId: hash('disk').slice(0, 8) };
}

function requireBootSpace(bootBytes: number): void {
  // A FAT keeps a little for itself.
  if (bootBytes * 1.05 < freshBootBytes) return;
  throw new ShipError({
    code: 'E_CARD_TOO_SMALL',
    message: `The boot partition has ${freshBootBytes} bytes; ${bootBytes} are to go there`,
    remedy: 'Leave out packages that bring more kernels.',
    exitStatus: ExitStatus.preflight,
  });
}

function requireRootLast({ table, root }: OsImageLayout): void {
  if (table.partitions.every(({ startBytes }) => startBytes <= root.startBytes)) return;
  throw new ShipError({
    code: 'E_BASE_LAYOUT',
    message: `The root partition ${root.number} of the base is not the last one, so it cannot get another size`,
    remedy: 'Use a base whose root partition comes last, as on Raspberry Pi OS.',
    exitStatus: ExitStatus.preflight,
  });
}

function tooSmall(sizeBytes: number, neededBytes: number): ShipError {
  return new ShipError({
    code: 'E_CARD_TOO_SMALL',
    message: `An image of ${sizeBytes} bytes is too small: ${neededBytes} bytes are needed`,
    remedy: `Set \`os.size\` to at least ${Math.ceil(neededBytes / mib)}MiB, or leave it out.`,
    exitStatus: ExitStatus.preflight,
  });
}

function ceilTo(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
