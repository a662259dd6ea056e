import { link, mkdir, copyFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parsePartitionTable, type RawPartitionTable } from '../disk/partition-table.ts';
import { newMbr, resizeLastPartition, type DiskPatch } from '../disk/write-partition-table.ts';
import type { CardLayout } from './card-layout.ts';

export interface LayoutFolder {
  readonly layout: CardLayout;
  /** Absent for a fresh card. */
  readonly baseTable?: RawPartitionTable;
  /** Everything before the base's root partition, zstd. */
  readonly headFile?: string;
  /** The engine's data folder, tar, zstd. */
  readonly storeFile?: string;
  readonly sourceDateEpoch: number;
  /** Words for the kernel's command line. */
  readonly cmdline: readonly string[];
  readonly compress: Compression;
}

/** `image`: also as .img.xz. */
export type Compression = { readonly kind: 'none' } | { readonly kind: 'xz'; readonly level: number };

/** Writes what `assemble.sh` reads: parameters, partition tables, and the big files. */
export async function writeLayoutFolder(directory: string, folder: LayoutFolder): Promise<void> {
  await mkdir(path.join(directory, 'table'), { recursive: true });
  for (const { offset, bytes } of tablePatches(folder)) await writeFile(path.join(directory, 'table', String(offset)), bytes);
  await writeFile(path.join(directory, 'parameters'), formatParameters(folder));
  if (folder.headFile) await place(folder.headFile, path.join(directory, 'head.img.zst'));
  if (folder.storeFile) await place(folder.storeFile, path.join(directory, 'store.tar.zst'));
}

/** A second name where the file system has that, else a copy. */
async function place(file: string, target: string): Promise<void> {
  await link(file, target).catch(() => copyFile(file, target));
}

function tablePatches({ layout, baseTable }: LayoutFolder): readonly DiskPatch[] {
  const { boot, root, fresh, diskBytes } = layout;
  if (fresh) {
    const partitions = [{ type: '0c', ...boot }, { type: '83', startBytes: root.startBytes, sizeBytes: root.sizeBytes }];
    return [{ offset: 0, bytes: newMbr({ diskId: fresh.diskId, partitions }) }];
  }
  if (!baseTable) throw new Error('a card that is not fresh has the table of its base');
  const last = parsePartitionTable(baseTable).partitions.reduce((a, b) => (b.startBytes > a.startBytes ? b : a));
  if (last.startBytes !== root.startBytes) throw new Error('unreachable: the root partition is the last one');
  return resizeLastPartition(baseTable, { imageSizeBytes: diskBytes, partitionSizeBytes: root.sizeBytes });
}

/** Shell variables, each in single quotes. */
export function formatParameters({ layout, sourceDateEpoch, cmdline, compress }: LayoutFolder): string {
  const { boot, root, fresh, diskBytes } = layout;
  const values: Readonly<Record<string, string | number>> = {
    SOURCE_DATE_EPOCH: sourceDateEpoch,
    disk_bytes: diskBytes,
    boot_start_bytes: boot.startBytes,
    boot_bytes: boot.sizeBytes,
    boot_id: fresh?.volumeId ?? '',
    root_start_bytes: root.startBytes,
    root_bytes: root.sizeBytes,
    root_uuid: root.uuid,
    root_hash_seed: root.hashSeed,
    root_label: root.label,
    root_features: root.features.join(','),
    root_inodes: root.inodes,
    root_inode_bytes: root.inodeBytes,
    root_journal_mib: root.journalMiB,
    root_reserved_percent: root.reservedPercent,
    cmdline_append: cmdline.join(' '),
    outputs: compress.kind === 'xz' ? 'zst xz' : 'zst',
    xz_level: compress.kind === 'xz' ? compress.level : 0,
  };
  return Object.entries(values).map(([name, value]) => `${name}='${String(value).replaceAll("'", `'\\''`)}'\n`).join('');
}
