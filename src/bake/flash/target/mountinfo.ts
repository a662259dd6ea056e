/** A line of /proc/self/mountinfo (proc_pid_mountinfo(5)). */
export interface Mount {
  /** `8:1`; of no block device for btrfs and network file systems. */
  readonly deviceNumber: string;
  readonly mountPoint: string;
  readonly fileSystem: string;
  /** `/dev/sda1`, or a word like `tmpfs`. */
  readonly source: string;
}

export function parseMountinfo(text: string): readonly Mount[] {
  return text.split('\n').flatMap((line) => {
    const [before, after] = line.split(' - ');
    const [, , deviceNumber, , mountPoint] = before?.split(' ') ?? [];
    const [fileSystem, source] = after?.split(' ') ?? [];
    if (!deviceNumber || !mountPoint || !fileSystem || !source) return [];
    return [{ deviceNumber, mountPoint: unescape(mountPoint), fileSystem, source: unescape(source) }];
  });
}

/** Space, tab, newline and backslash stand there in octal. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
