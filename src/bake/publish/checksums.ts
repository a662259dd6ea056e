import path from 'node:path';
import { writeAtomically } from '../../host/files.ts';
import { writeFile } from 'node:fs/promises';
import { formatChecksums } from '../../release/checksums.ts';
import { checksumName } from './file-names.ts';

/** The text of `FILE.sha256`. */
export function checksumText(fileName: string, sha256: string): string {
  return formatChecksums([{ path: fileName, digest: `sha256:${sha256}` }]);
}

/** Writes `FILE.sha256` beside a file; `sha256sum -c` in that folder reads it. */
export async function writeChecksum(directory: string, fileName: string, sha256: string): Promise<void> {
  await writeAtomically(path.join(directory, checksumName(fileName)), (to) => writeFile(to, checksumText(fileName, sha256)));
}
