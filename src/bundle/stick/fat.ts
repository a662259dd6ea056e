import { ExitStatus, ShipError } from '../../errors.ts';

/** FAT32 keeps sizes in 32 bits (Microsoft, FAT32 File System Specification, DIR_FileSize). */
export const largestFileBytes = 2 ** 32 - 1;
const longestName = 255;
/** Not in a long name of VFAT, or not a name on Windows (learn.microsoft.com, "Naming Files, Paths, and Namespaces"). */
// eslint-disable-next-line no-control-regex
const forbidden = /["*:<>?|\\\u0000-\u001f]|[ .]$/;
const devices = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i;

export interface StickFile {
  /** Relative, with forward slashes. */
  readonly path: string;
  readonly sizeBytes: number;
}

/**
 * Sticks are FAT, whatever the disk here is: names and sizes that it cannot hold are told before anything is written.
 * @throws ShipError E_BUNDLE_FILE_TOO_LARGE, E_BUNDLE_FILE_NAME; exit status 3
 */
export function checkFat(files: readonly StickFile[]): void {
  const seen = new Map<string, string>();
  for (const { path, sizeBytes } of files) {
    if (sizeBytes > largestFileBytes) {
      throw new ShipError({
        code: 'E_BUNDLE_FILE_TOO_LARGE',
        message: `'${path}' has ${sizeBytes} bytes, and a FAT file system holds files of at most ${largestFileBytes}`,
        remedy: 'Make the image smaller: a multi-stage Dockerfile leaves compilers and caches behind.',
        exitStatus: ExitStatus.preflight,
      });
    }
    const odd = path.split('/').find((name) => forbidden.test(name) || devices.test(name) || name.length > longestName);
    if (odd !== undefined) throw badName(path, `a FAT file system, or Windows, has no file called '${odd}'`);
    const twin = seen.get(path.toLowerCase());
    if (twin !== undefined) throw badName(path, `a FAT file system takes it for '${twin}'`);
    seen.set(path.toLowerCase(), path);
  }
}

function badName(path: string, why: string): ShipError {
  return new ShipError({
    code: 'E_BUNDLE_FILE_NAME',
    message: `'${path}' cannot be on a USB stick: ${why}`,
    remedy: 'Give the file, or the secret, another name in the recipe.',
    exitStatus: ExitStatus.preflight,
  });
}
