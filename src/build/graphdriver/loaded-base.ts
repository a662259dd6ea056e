import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../../context.ts';
import { ShipError } from '../../errors.ts';
import { run, type Command } from '../../host/process.ts';
import { writeArchive } from '../../oci/archive/write-archive.ts';
import { shortDigest } from '../../oci/digest.ts';
import { readLayout } from '../../oci/layout.ts';
import { formatPlatform, platformSlug, samePlatform, type Platform } from '../../oci/platform.ts';
import type { ProvidedBase } from '../bases.ts';

/**
 * Makes a bootstrapped base an image of the engine and returns its reference. It stays there: the layer cache of every
 * build on it hangs on it.
 * @throws ShipError E_BASE_PLATFORM when the layout has no image for the platform; E_COMMAND_FAILED
 */
export async function loadBase(
  context: Context,
  base: Extract<ProvidedBase, { kind: 'bootstrap' }>,
  platform: Platform,
  docker: (...args: string[]) => Command,
): Promise<string> {
  const image = (await readLayout(base.directory)).find((candidate) => samePlatform(candidate.platform, platform));
  if (!image) {
    throw new ShipError({
      code: 'E_BASE_PLATFORM',
      message: `The base '${base.reference}' has no image for ${formatPlatform(platform)}`,
      place: { file: base.directory },
      remedy: 'Delete that folder and build again.',
    });
  }
  const reference = `prose-ship-base/debian:${base.tag}-${platformSlug(platform)}-${shortDigest(image.configDigest)}`;
  const known = await run(context, docker('image', 'inspect', '--format', '{{.Id}}', reference), { expect: [0, 1] });
  if (known.exitCode === 0) return reference;
  const archive = path.join(base.directory, `.${platformSlug(platform)}-${process.pid}.tar.zst`);
  try {
    await writeArchive(image, reference, archive, { signal: context.signal });
    await run(context, docker('image', 'load', '--input', archive));
  } finally {
    await rm(archive, { force: true });
  }
  return reference;
}
