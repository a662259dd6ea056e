import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { digestOf } from '../../oci/digest.ts';
import { canonicalJson } from '../../release/canonical-json.ts';
import { osImageSources } from '../assemble/os-image-build.ts';
import type { CardBase } from '../assemble/card-base.ts';
import { hashFile } from '../publish/read-image.ts';
import type { BakeInputs } from './bench.ts';

/** Raised when the same inputs give another image though none of the scripts changed. */
const formatVersion = 1;

/**
 * `sha256:…` of all that an image is made of, the Debian packages apart, which the build's cache holds: release, base,
 * customisation, the scripts that make it. Undefined for a card with secrets: the digest lies beside the image for
 * everyone to read, and a weak passphrase could be guessed by it.
 */
export async function inputsDigest(inputs: Pick<BakeInputs, 'plan' | 'secrets' | 'sourceDateEpoch' | 'toolVersion' | 'urlBase'>, base: CardBase, customiseDirectory: string): Promise<string | undefined> {
  const { plan, secrets, sourceDateEpoch, toolVersion, urlBase } = inputs;
  if (Object.keys(secrets).length > 0) return undefined;
  const { imageFile, ...rest } = plan;
  return digestOf(
    canonicalJson({
      formatVersion,
      plan: { ...rest, imageFile: path.basename(imageFile) },
      base: base.kind === 'image' ? { name: base.name, sha256: base.sha256 } : { name: 'debian' },
      sourceDateEpoch,
      toolVersion,
      urlBase,
      customisation: await treeOf(customiseDirectory),
      build: await Promise.all(osImageSources.map(treeOf)),
    }),
  );
}

/** Path, permission to run and sha256 of a file or of every file below a folder, by path. */
async function treeOf(root: string): Promise<readonly (readonly [name: string, isExecutable: boolean, sha256: string])[]> {
  const isFile = (await stat(root)).isFile();
  const entries = isFile ? [] : await readdir(root, { recursive: true, withFileTypes: true });
  const files = isFile ? [root] : entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name)).sort();
  const found = [];
  for (const file of files) {
    const { mode } = await stat(file);
    found.push([path.relative(isFile ? path.dirname(root) : root, file), (mode & 0o100) !== 0, (await hashFile(file)).sha256] as const);
  }
  return found;
}
