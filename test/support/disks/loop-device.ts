import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import type { ExecutionContext } from 'ava';

/** A real block device over a file; detached when the test ends. Needs root. */
export async function loopDevice(t: ExecutionContext, file: string, options: readonly string[] = []): Promise<string> {
  const { stdout: device } = await execa('losetup', ['--show', '--find', ...options, file]);
  t.teardown(() => execa('losetup', ['--detach', device], { reject: false }));
  return device;
}

/** Mounts for the length of the test. */
export async function mounted(t: ExecutionContext, args: readonly string[], mountPoint: string): Promise<void> {
  await execa('mount', [...args, mountPoint]);
  t.teardown(() => execa('umount', [mountPoint], { reject: false }));
}

/** What the kernel counts as written to a device (Documentation/block/stat.rst). */
export async function sentBytes(device: string): Promise<number> {
  const fields = (await readFile(`/sys/block/${path.basename(device)}/stat`, 'utf8')).trim().split(/\s+/);
  return Number(fields[6]) * 512;
}
