import { mkdir, statfs } from 'node:fs/promises';
import { ExitStatus, ShipError } from '../errors.ts';

/** What a user who is not root may still write below `directory`, which is made where it is missing. */
export async function freeBytes(directory: string): Promise<number> {
  await mkdir(directory, { recursive: true });
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/** Known before anything is written. Exit status 3. */
export function tooLittleSpace(directory: string, neededBytes: number, free: number, what: string): ShipError {
  return new ShipError({
    code: 'E_DISK_FULL',
    message: `${what} needs ${inMebibytes(neededBytes)}; only ${inMebibytes(free)} are free where '${directory}' is`,
    remedy: `Free ${inMebibytes(neededBytes - free)} there, or name a folder of a larger disk in PROSE_SHIP_CACHE.`,
    exitStatus: ExitStatus.preflight,
  });
}

/** The disk was full while writing: ENOSPC or EDQUOT as a ShipError that says how much is free; anything else unchanged. */
export async function explainDiskFull(error: unknown, directory: string, what: string): Promise<unknown> {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new ShipError({
    code: 'E_DISK_FULL',
    message: `The disk became full while writing ${what} in '${directory}'; ${inMebibytes(await freeBytes(directory))} are free without it`,
    remedy: 'Free space there, or name a folder of a larger disk in PROSE_SHIP_CACHE.',
    cause: error,
  });
}

function inMebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024 / 1024)} MiB (${bytes} bytes)`;
}
