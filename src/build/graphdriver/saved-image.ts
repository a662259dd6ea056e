import { createReadStream } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { extract, type Extract } from 'tar-stream';
import type { Context } from '../../context.ts';
import { ShipError } from '../../errors.ts';
import { run, type Command } from '../../host/process.ts';
import { MediaType, type Descriptor } from '../../oci/descriptor.ts';
import { blobPath, readLayout, writeBlob } from '../../oci/layout.ts';
import { samePlatform, type Platform } from '../../oci/platform.ts';

/**
 * Takes one image out of the engine by `docker save` into a layout directory and returns its manifest. Engines from 25
 * on save an OCI layout (moby, image/tarexport/save.go); its layers are uncompressed, as those of buildx's layouts are.
 * @throws ShipError E_SAVED_IMAGE when the engine is older or gave another platform; E_COMMAND_FAILED
 */
export async function saveIntoLayout(
  context: Context,
  docker: (...args: string[]) => Command,
  reference: string,
  platform: Platform,
  directory: string,
): Promise<Descriptor> {
  const tarFile = path.join(directory, 'saved.tar');
  try {
    await run(context, docker('image', 'save', '--output', tarFile, reference));
    await unpackLayout(context, tarFile, directory);
  } finally {
    await rm(tarFile, { force: true });
  }
  const images = await readLayout(directory);
  const image = images.find((candidate) => samePlatform(candidate.platform, platform));
  if (!image) throw savedImageError();
  const content = Buffer.from(JSON.stringify(image.manifest));
  return { ...(await writeBlob(directory, MediaType.manifest, content)), platform };
}

async function unpackLayout(context: Context, tarFile: string, directory: string): Promise<void> {
  const archive = extract();
  await Promise.all([pipeline(createReadStream(tarFile), archive, { signal: context.signal }), storeEntries(archive, directory)]);
}

async function storeEntries(archive: Extract, directory: string): Promise<void> {
  let hasIndex = false;
  for await (const entry of archive) {
    const { name } = entry.header;
    if (/^blobs\/sha256\/[0-9a-f]{64}$/.test(name)) {
      const { digest } = await writeBlob(directory, MediaType.layer, Readable.from(entry));
      if (blobPath(digest) !== name) throw savedImageError();
    } else if (name === 'index.json') {
      hasIndex = true;
      await writeFile(path.join(directory, name), await buffer(entry));
    } else {
      entry.resume();
    }
  }
  if (!hasIndex) throw savedImageError();
}

function savedImageError(): ShipError {
  return new ShipError({
    code: 'E_SAVED_IMAGE',
    message: '`docker save` did not give an OCI layout of the platform that was built',
    remedy: 'Use an engine of version 25 or later, or one with the containerd image store.',
  });
}
