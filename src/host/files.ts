import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';

/**
 * Writes through a temporary name beside `target` and renames it when `write` has succeeded; on any failure nothing
 * stays. The file is flushed to the disk before the rename, so a power cut leaves the old or the new one, whole.
 */
export async function writeAtomically(
  target: string,
  write: (temporaryPath: string) => Promise<void>,
  options: { mode?: number } = {},
): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true });
  const temporary = temporaryName(target);
  try {
    await write(temporary);
    const handle = await open(temporary, 'r+');
    try {
      if (options.mode !== undefined) await handle.chmod(options.mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** The same for a folder: `fill` gets an empty one; an existing target is replaced. */
export async function replaceDirectory(target: string, fill: (directory: string) => Promise<void>): Promise<void> {
  const temporary = temporaryName(target);
  await mkdir(temporary, { recursive: true });
  const old = temporaryName(target);
  try {
    await fill(temporary);
    await rename(target, old).catch(ignoreMissing);
    await rename(temporary, target);
  } finally {
    await rm(temporary, { recursive: true, force: true });
    await rm(old, { recursive: true, force: true });
  }
}

/** Whether anything is there, and may be seen; of a link that leads nowhere it is not. */
export async function exists(file: string): Promise<boolean> {
  return stat(file).then(() => true, () => false);
}

function temporaryName(target: string): string {
  return path.join(path.dirname(target), `.${path.basename(target)}.${randomBytes(6).toString('hex')}.tmp`);
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
