import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { encodedPart, type Digest } from '../oci/digest.ts';
import type { ReleaseFile } from './manifest.ts';

export const checksumsFile = 'SHA256SUMS';

/** The size and sha256 of a file below `directory`, read as a stream. */
export async function describeFile(directory: string, relativePath: string, signal?: AbortSignal): Promise<ReleaseFile> {
  const file = path.join(directory, relativePath);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { ...(signal ? { signal } : {}), highWaterMark: 1024 * 1024 })) {
    hash.update(chunk as Buffer);
  }
  return { path: relativePath, sizeBytes: (await stat(file)).size, digest: `sha256:${hash.digest('hex')}` };
}

/** The text that `sha256sum -c` reads (coreutils), sorted by path. */
export function formatChecksums(files: readonly { readonly path: string; readonly digest: Digest }[]): string {
  return files
    .map(({ path: name, digest }) => ({ name, line: `${encodedPart(digest)}  ${name}\n` }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ line }) => line)
    .join('');
}

/** Every regular file below a folder, relative, with forward slashes, sorted. */
export async function listFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .sort();
}
