import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import type { Context } from '../../context.ts';
import { ShipError } from '../../errors.ts';
import { failure, start, type Command } from '../../host/process.ts';
import { MediaType, type Descriptor } from '../../oci/descriptor.ts';
import { blobPath, readLayout, writeBlob } from '../../oci/layout.ts';
import { isDigest } from '../../oci/digest.ts';
import type { Platform } from '../../oci/platform.ts';

/**
 * Streams `docker save` of one image into a layout directory and returns its manifest. Engines from 25 on write an OCI
 * layout (moby, image/tarexport/save.go); its layers are uncompressed, as the layouts of buildx are.
 * @throws ShipError E_SAVED_IMAGE when the engine is older or gave another platform; E_COMMAND_FAILED
 */
export async function saveIntoLayout(
  context: Context,
  save: Command,
  platform: Platform,
  directory: string,
): Promise<Descriptor> {
  const child = start(context, save);
  const unpacked = unpackLayout(child.stdout, directory);
  const [result, unpacking] = await Promise.allSettled([child, unpacked]);
  if (result.status === 'rejected') throw result.reason;
  if (result.value.failed) throw failure(context, save, result.value);
  if (unpacking.status === 'rejected') throw unpacking.reason;
  const [image] = await readLayout(directory);
  if (!image || image.platform.architecture !== platform.architecture) throw savedImageError();
  const content = Buffer.from(JSON.stringify(image.manifest));
  return { ...(await writeBlob(directory, MediaType.manifest, content)), platform };
}

async function unpackLayout(archive: NodeJS.ReadableStream, directory: string): Promise<void> {
  const entries = extract();
  const piped = pipeline(archive, entries);
  let hasIndex = false;
  for await (const entry of entries) {
    const { name } = entry.header;
    const digest = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name)?.[1];
    if (digest) {
      const { digest: actual } = await writeBlob(directory, MediaType.layer, Readable.from(entry));
      if (!isDigest(actual) || blobPath(actual) !== name) throw savedImageError();
    } else if (name === 'index.json') {
      hasIndex = true;
      await writeFile(path.join(directory, name), await buffer(entry));
    } else {
      entry.resume();
    }
  }
  await piped;
  if (!hasIndex) throw savedImageError();
}

function savedImageError(): ShipError {
  return new ShipError({
    code: 'E_SAVED_IMAGE',
    message: '`docker save` did not give an OCI layout of the platform that was built',
    remedy: 'Use an engine of version 25 or later, or one with the containerd image store.',
  });
}
