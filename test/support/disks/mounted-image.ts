import { once } from 'node:events';
import { execa } from 'execa';
import { temporaryDirectory } from '../temporary-directory.ts';

/** Ends with its standard input, also when the test is killed. */
const holder = 'mount -t ext4 -o "$1" "$2" "$3"; echo mounted; cat >/dev/null; umount "$3"';

/**
 * Mounts an ext4 file system of an image for as long as `use` runs. In a mount namespace of its own: one that another test
 * makes meanwhile would get a copy of a mount that all can see, and the file system would not be closed with ours.
 */
export async function withMounted<T>(image: string, options: string, use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await temporaryDirectory('mount');
  const child = execa('unshare', ['--mount', '--', 'sh', '-ec', holder, 'sh', `loop,${options}`, image, directory], { stdin: 'pipe' });
  await Promise.race([once(child.stdout, 'data'), child]);
  try {
    return await use(`/proc/${child.pid ?? 0}/root${directory}`);
  } finally {
    child.stdin.end();
    await child;
  }
}
