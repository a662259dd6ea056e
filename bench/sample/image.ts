import { readdir, readFile, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { zstdCompressSync, constants } from 'node:zlib';
import { pack } from 'tar-stream';
import { MediaType, type Descriptor } from '../../src/oci/descriptor.ts';
import { readLayout, writeBlob, writeLayout, type LayoutImage } from '../../src/oci/layout.ts';
import { parsePlatform, type Platform } from '../../src/oci/platform.ts';

/** What the engine of this machine runs. */
export function ownPlatform(): Platform {
  return parsePlatform(os.arch() === 'x64' ? 'linux/amd64' : `linux/${os.arch()}`)!;
}

/** An image of these layers as the only one of the layout in `directory`, which may hold more blobs. */
export async function writeImage(directory: string, layers: readonly Descriptor[], command: readonly string[] = ['/app/program']): Promise<LayoutImage> {
  const platform = ownPlatform();
  const config = { ...platform, config: { Cmd: command }, rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) } };
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config: await writeBlob(directory, MediaType.config, Buffer.from(JSON.stringify(config))),
    layers,
  };
  const descriptor = await writeBlob(directory, MediaType.manifest, Buffer.from(JSON.stringify(manifest)));
  await writeLayout(directory, [{ ...descriptor, platform }]);
  const [image] = await readLayout(directory);
  if (!image) throw new Error('unreachable: the layout has one image');
  return image;
}

/** Libraries, programs and data as images really hold them: files of this machine, about half of it compressible. */
export async function systemLayers(directory: string, leastBytes: number, count: number): Promise<Descriptor[]> {
  const files = await systemFiles(leastBytes);
  const perLayer = Math.ceil(files.length / count);
  const layers: Descriptor[] = [];
  for (let from = 0; from < files.length; from += perLayer) {
    layers.push(await fileLayer(directory, files.slice(from, from + perLayer)));
  }
  return layers;
}

/** One layer of files of this machine, under their own names. */
export async function fileLayer(directory: string, files: readonly string[], mode = 0o644): Promise<Descriptor> {
  const tar = pack();
  const written = writeBlob(directory, MediaType.layer, tar as unknown as Readable);
  for (const name of files) {
    const content = await readFile(name);
    await new Promise<void>((resolve, reject) => {
      tar.entry({ name: name.slice(1), mtime: new Date(0), mode }, content, (error) => (error ? reject(error) : resolve()));
    });
  }
  tar.finalize();
  return written;
}

/** Files of /usr/lib in the order of their names; none so large that it alone would be the image. */
export async function systemFiles(leastBytes: number): Promise<string[]> {
  const largestFileBytes = 24 * 2 ** 20;
  const entries = await readdir('/usr/lib', { recursive: true, withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name)).sort();
  const chosen: string[] = [];
  let total = 0;
  for (const name of names) {
    const { size } = await stat(name);
    if (size > largestFileBytes) continue;
    chosen.push(name);
    total += size;
    if (total >= leastBytes) return chosen;
  }
  throw new Error(`/usr/lib has only ${total} bytes, the image needs ${leastBytes}`);
}

export interface SmallLayer {
  readonly descriptor: Descriptor;
  /** What zstd at its default level makes of it. */
  readonly zstdBytes: number;
}

/** A program of 100 KB that nobody has seen before: one half random, one half text. */
export async function smallLayer(directory: string): Promise<SmallLayer> {
  const id = randomBytes(8).toString('hex');
  const text = Array.from({ length: 1000 }, (_, line) => `line ${line} of the program ${id} says ${(line * 7919) % 1009}\n`).join('');
  const program = Buffer.concat([randomBytes(50_000), Buffer.from(text).subarray(0, 50_000)]);
  const tar = pack();
  tar.entry({ name: 'app/program', mtime: new Date(0), mode: 0o755 }, program);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  const content = Buffer.concat(chunks);
  const zstdBytes = zstdCompressSync(content, { params: { [constants.ZSTD_c_compressionLevel]: 3 } }).length;
  return { descriptor: await writeBlob(directory, MediaType.layer, content), zstdBytes };
}
