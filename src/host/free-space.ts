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

/** What programs print for ENOSPC (strerror(3)). */
const toldByPrograms = /no space left on device/i;
/** A program that met ENOSPC may have left this much to others. */
const nearlyFullBytes = 64 * 1024 ** 2;

/** Whether a program failed because a disk was full: here, or where the engine keeps its data. */
export function isDiskFullByProgram(error: unknown): boolean {
  return error instanceof ShipError && error.code !== 'E_DISK_FULL' && toldByPrograms.test(`${error.message}\n${error.output ?? ''}`);
}

/**
 * The disk was full while writing: ENOSPC or EDQUOT, or a program that says so, as a ShipError that says how much is free;
 * anything else unchanged.
 */
export async function explainDiskFull(error: unknown, directory: string, what: string): Promise<unknown> {
  const { code } = error as NodeJS.ErrnoException;
  const byProgram = isDiskFullByProgram(error);
  if (code !== 'ENOSPC' && code !== 'EDQUOT' && !byProgram) return error;
  const free = await freeBytes(directory);
  const isElsewhere = byProgram && free > nearlyFullBytes;
  return new ShipError({
    code: 'E_DISK_FULL',
    message: isElsewhere
      ? `The engine's disk became full while making ${what}; '${directory}' has ${inMebibytes(free)}`
      : `The disk became full while writing ${what} in '${directory}'; ${inMebibytes(free)} are free without it`,
    remedy: isElsewhere ? 'Free space there: `docker system df` shows what the engine keeps.' : 'Free space there, or name a folder of a larger disk in PROSE_SHIP_CACHE.',
    ...(error instanceof ShipError && error.output ? { output: error.output } : {}),
    cause: error,
  });
}

function inMebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024 / 1024)} MiB (${bytes} bytes)`;
}
