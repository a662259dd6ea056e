import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { MediaType, type Descriptor } from '../../../src/oci/descriptor.ts';
import { writeBlob, writeLayout } from '../../../src/oci/layout.ts';
import { parsePlatform } from '../../../src/oci/platform.ts';
import { temporaryDirectory } from '../temporary-directory.ts';

/** The files of one layer by path. */
export type LayerFiles = Readonly<Record<string, string | Buffer>>;

export interface LayoutOptions {
  readonly platform?: string;
  /** Store layers gzipped, as registries and some builders do. */
  readonly gzip?: boolean;
  readonly config?: Readonly<Record<string, unknown>>;
}

/** A tar layer with these files, owned by root, time 0. */
export async function layerTar(files: LayerFiles): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) {
    tar.entry({ name, mode: name.startsWith('bin/') ? 0o755 : 0o644, mtime: new Date(0) }, content);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** An OCI layout on disk with one image per platform made of the same layers; returns its folder. */
export async function imageLayout(layers: readonly LayerFiles[], options: LayoutOptions = {}): Promise<string> {
  const directory = await temporaryDirectory('layout');
  const platform = parsePlatform(options.platform ?? 'linux/amd64')!;
  const descriptors: Descriptor[] = [];
  const diffIds: string[] = [];
  for (const files of layers) {
    const tar = await layerTar(files);
    diffIds.push(`sha256:${createHash('sha256').update(tar).digest('hex')}`);
    descriptors.push(
      options.gzip
        ? await writeBlob(directory, MediaType.layerGzip, gzipSync(tar))
        : await writeBlob(directory, MediaType.layer, tar),
    );
  }
  const config = { ...platform, config: options.config ?? {}, rootfs: { type: 'layers', diff_ids: diffIds } };
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config: await writeBlob(directory, MediaType.config, Buffer.from(JSON.stringify(config))),
    layers: descriptors,
  };
  const descriptor = await writeBlob(directory, MediaType.manifest, Buffer.from(JSON.stringify(manifest)));
  await writeLayout(directory, [{ ...descriptor, platform }], 'test');
  return directory;
}
