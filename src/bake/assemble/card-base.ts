import { createWriteStream } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress } from 'node:zlib';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { exists, replaceDirectory } from '../../host/files.ts';
import { formatPlatform, platformSlug, type Platform } from '../../oci/platform.ts';
import type { TaskReport } from '../../tasks.ts';
import { acquireBase, type AcquiredBase } from '../base/acquire-base.ts';
import { rootfsLayout } from '../base/rootfs-layout.ts';
import { platformOfRoot } from '../boot/image-kernel.ts';
import { openDiskFile, slice, type DiskReader } from '../disk/disk-file.ts';
import { openExt4 } from '../disk/ext4/open-ext4.ts';
import { inspectImage, type OsImageLayout } from '../disk/inspect-image.ts';
import { readRawPartitionTable, type RawPartitionTable } from '../disk/partition-table.ts';

/** What a card is made of. */
export type CardBase =
  | { readonly kind: 'debian' }
  | {
      readonly kind: 'image';
      readonly name: string;
      /** Of the raw image. */
      readonly sha256: string;
      readonly releaseDate?: string;
      readonly initFormat?: string;
      readonly layout: OsImageLayout;
      readonly table: RawPartitionTable;
      /** OCI layout with the root file system as one image, and its name there. */
      readonly rootfs: { readonly directory: string; readonly tag: string };
      /** Everything before the root partition, zstd. */
      readonly headFile: string;
    };

export interface CardBaseRequest {
  readonly base: string;
  readonly platform: Platform;
  readonly sourceDateEpoch: number;
  readonly report: Pick<TaskReport, 'progress' | 'log'>;
}

/** Raised when what is kept of a base changes. */
const formatVersion = 1;
const pieceBytes = 4 * 1024 ** 2;

/**
 * Takes a base image apart: its root file system as an image for BuildKit, and what lies before it as a file. Both are
 * kept in the cache by the image's digest.
 * @throws ShipError those of `acquireBase` and `inspectImage`, E_EXT4, E_WRONG_ARCHITECTURE (exit status 3)
 */
export async function provideCardBase(context: Context, request: CardBaseRequest): Promise<CardBase> {
  const { base, platform, report } = request;
  if (base === 'debian') return { kind: 'debian' };
  const acquired = await acquireBase(context, { base, platform, report });
  try {
    return await takeApart(context, request, acquired);
  } finally {
    await acquired.release();
  }
}

async function takeApart(context: Context, { platform, sourceDateEpoch, report }: CardBaseRequest, acquired: AcquiredBase): Promise<CardBase> {
  const { file, sha256, name, releaseDate, initFormat } = acquired;
  const disk = await openDiskFile(file);
  try {
    const layout = await inspectImage(disk, name);
    await requireArchitecture(disk, layout, name, platform);
    const table = await readRawPartitionTable(disk);
    const directory = path.join(context.cacheDirectory, 'os-roots', `${sha256}-${platformSlug(platform)}-${formatVersion}`);
    const rootfs = { directory: path.join(directory, 'rootfs'), tag: 'rootfs' };
    const headFile = path.join(directory, 'head.img.zst');
    if (!(await isComplete(directory))) {
      await mkdir(path.dirname(directory), { recursive: true });
      await replaceDirectory(directory, async (target) => {
        await rootfsLayout(context, disk, layout.root, {
          directory: path.join(target, 'rootfs'),
          platform,
          createdSeconds: sourceDateEpoch,
          onProgress: report.progress,
        });
        const source = Readable.from(pieces(disk, layout.root.startBytes));
        await pipeline(source, createZstdCompress(), createWriteStream(path.join(target, 'head.img.zst')), { signal: context.signal });
        await writeFile(path.join(target, 'complete'), `${rootfs.tag}\n`);
      });
    }
    return {
      kind: 'image',
      name,
      sha256,
      layout,
      table,
      rootfs,
      headFile,
      ...(releaseDate === undefined ? {} : { releaseDate }),
      ...(initFormat === undefined ? {} : { initFormat }),
    };
  } finally {
    await disk.close();
  }
}

/** Before anything is downloaded for it; setup.sh asks dpkg, too. A base whose programs are not where they are looked for passes. */
async function requireArchitecture(disk: DiskReader, { root }: OsImageLayout, name: string, platform: Platform): Promise<void> {
  const found = await platformOfRoot(await openExt4(slice(disk, root.startBytes, root.sizeBytes)));
  if (!found || found.architecture === platform.architecture) return;
  throw new ShipError({
    code: 'E_WRONG_ARCHITECTURE',
    message: `The base '${name}' is for ${formatPlatform(found)}, the card for ${formatPlatform(platform)}`,
    remedy: 'Bake for the platform of the base (--platform), or name another base with --base.',
    exitStatus: ExitStatus.preflight,
  });
}

async function* pieces(disk: DiskReader, sizeBytes: number): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < sizeBytes; offset += pieceBytes) yield await disk.read(offset, Math.min(pieceBytes, sizeBytes - offset));
}

async function isComplete(directory: string): Promise<boolean> {
  const marker = await readFile(path.join(directory, 'complete'), 'utf8').catch(() => '');
  return marker !== '' && (await exists(path.join(directory, 'head.img.zst')));
}
