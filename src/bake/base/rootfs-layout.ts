import { mkdir } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Context } from '../../context.ts';
import { replaceDirectory } from '../../host/files.ts';
import { MediaType, type Descriptor, type ImageConfig } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { writeBlob, writeLayout } from '../../oci/layout.ts';
import type { Platform } from '../../oci/platform.ts';
import { slice, type DiskReader } from '../disk/disk-file.ts';
import { openExt4, type Ext4, type TreeEntry } from '../disk/ext4/open-ext4.ts';
import { treeTar } from './tree-tar.ts';

export interface RootfsLayoutOptions {
  /** Where the layout is made; what is there is replaced when the new one is whole. */
  readonly directory: string;
  readonly platform: Platform;
  /** Seconds since 1970, of the image and not of its files. */
  readonly createdSeconds: number;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

export interface RootfsLayout {
  readonly directory: string;
  /** The name of the image in the layout. */
  readonly tag: string;
  readonly manifestDigest: Digest;
  /** The one layer; uncompressed, so that its digest is its diffID. */
  readonly layer: Descriptor;
  /** Names in the layer. */
  readonly entries: number;
  /** Paths that an image layer cannot hold: sockets and whiteouts. */
  readonly leftOut: readonly string[];
}

const tag = 'rootfs';
/** As many are named in the log. */
const namedAtMost = 5;

/**
 * The tree of an ext4 partition as an OCI layout of one uncompressed layer, without mounting it; the same partition gives
 * the same bytes. `lost+found` is left out, and what a layer cannot hold (a warning says so).
 * @throws ShipError E_EXT4 when the file system is damaged or cannot be read; then nothing is left in `directory`
 */
export async function rootfsLayout(
  context: Context,
  disk: DiskReader,
  partition: { readonly startBytes: number; readonly sizeBytes: number },
  options: RootfsLayoutOptions,
): Promise<RootfsLayout> {
  const ext4 = await openExt4(slice(disk, partition.startBytes, partition.sizeBytes));
  const leftOut: string[] = [];
  let entries = 0;
  async function* counted(): AsyncGenerator<TreeEntry> {
    for await (const entry of ext4.walk()) {
      entries++;
      yield entry;
    }
  }
  const tar = treeTar(counted(), { onLeftOut: (path) => leftOut.push(path) });
  let written: Pick<RootfsLayout, 'layer' | 'manifestDigest'> | undefined;
  await replaceDirectory(options.directory, async (directory) => {
    await mkdir(directory, { recursive: true });
    const layer = await writeBlob(directory, MediaType.layer, observed(context, tar, ext4, options));
    written = { layer, manifestDigest: await writeImage(directory, layer, options) };
  });
  if (!written) throw new Error('the layout was not filled');
  if (leftOut.length > 0) context.emit({ type: 'log', level: 'warning', message: leftOutMessage(leftOut) });
  return { directory: options.directory, tag, ...written, entries: entries - leftOut.length, leftOut };
}

function observed(context: Context, tar: AsyncIterable<Buffer>, { info }: Ext4, { onProgress }: RootfsLayoutOptions): Readable {
  const totalBytes = (info.blocks - info.freeBlocks) * info.blockBytes;
  let doneBytes = 0;
  async function* pieces(): AsyncGenerator<Buffer> {
    for await (const piece of tar) {
      context.signal.throwIfAborted();
      doneBytes += piece.length;
      onProgress?.(Math.min(doneBytes, totalBytes), totalBytes);
      yield piece;
    }
  }
  return Readable.from(pieces(), { objectMode: false, highWaterMark: 512 * 1024 });
}

async function writeImage(directory: string, layer: Descriptor, { platform, createdSeconds }: RootfsLayoutOptions): Promise<Digest> {
  const created = `${new Date(createdSeconds * 1000).toISOString().slice(0, 19)}Z`;
  const config: ImageConfig = {
    ...platform,
    created,
    config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'] },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
    history: [{ created, created_by: 'prose-ship bake' }],
  };
  const configDescriptor = await writeBlob(directory, MediaType.config, Buffer.from(JSON.stringify(config)));
  const manifest = { schemaVersion: 2, mediaType: MediaType.manifest, config: configDescriptor, layers: [layer] };
  const descriptor = await writeBlob(directory, MediaType.manifest, Buffer.from(JSON.stringify(manifest)));
  await writeLayout(directory, [{ ...descriptor, platform }], tag);
  return descriptor.digest;
}

function leftOutMessage(paths: readonly string[]): string {
  const more = paths.length > namedAtMost ? ` and ${paths.length - namedAtMost} more` : '';
  return `Left out of the root file system, as an image layer cannot hold them: ${paths.slice(0, namedAtMost).join(', ')}${more}`;
}
