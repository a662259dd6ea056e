import { createHash } from 'node:crypto';
import { link, lstat, mkdir, readFile, readdir, readlink, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../../../src/context.ts';
import { run } from '../../../src/host/process.ts';

/** Bytes that look random and are the same each time. */
export function sampleBytes(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  let state = seed;
  for (let at = 0; at < sizeBytes; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

/** A tree that nobody needs to be root for. */
export async function writeSampleTree(root: string): Promise<void> {
  await mkdir(path.join(root, 'usr/bin'), { recursive: true });
  await mkdir(path.join(root, 'etc'));
  for (const size of [0, 1, 59, 60, 61, 150, 1023, 1024, 4095, 4096, 4097, 70_000, 3_000_000]) {
    await writeFile(path.join(root, 'usr/bin', `size-${size}`), sampleBytes(size, size + 1));
  }
  await writeFile(path.join(root, 'etc/os-release'), 'ID=sample\n');
  await symlink('../etc/os-release', path.join(root, 'usr/release'));
  await symlink('/etc', path.join(root, 'usr/absolute'));
  await symlink('loop', path.join(root, 'loop'));
  for (const length of [1, 59, 60, 61, 900]) await symlink('t'.repeat(length), path.join(root, `link-${length}`));
  await link(path.join(root, 'etc/os-release'), path.join(root, 'usr/hard'));
  await writeFile(path.join(root, 'Ünïcödé 名前'), 'name');
  await writeFile(path.join(root, 'n'.repeat(255)), 'long');
  await writeFile(path.join(root, 'sparse'), 'start');
  await truncate(path.join(root, 'sparse'), 40_000_000);
  const deep = path.join(root, ...Array.from({ length: 40 }, (_, index) => `level-${index}`));
  await mkdir(deep, { recursive: true });
  await writeFile(path.join(deep, 'bottom'), 'bottom');
  await mkdir(path.join(root, 'many'));
  for (let number = 0; number < 1200; number++) await writeFile(path.join(root, 'many', `${number}-${'x'.repeat(number % 90)}`), '');
  await utimes(path.join(root, 'etc/os-release'), 1, -86_400);
  await utimes(path.join(root, 'usr/bin/size-1'), 1, 1_600_000_000);
}

/** As mke2fs alone makes it; `sizeBytes` of the whole file system. */
export async function makeImage(context: Context, image: string, options: readonly string[], root: string, sizeBytes: number): Promise<void> {
  await writeFile(image, '');
  await run(context, { program: 'mke2fs', args: ['-q', '-F', ...options, '-d', root, image, `${sizeBytes / 1024}k`] });
}

/** Path, type, mode, owner, whole seconds, and content, of a folder of this machine in the order of the names' bytes. */
export async function describeFolder(root: string, relative = ''): Promise<string[]> {
  const file = path.join(root, relative);
  const status = await lstat(file);
  const content = status.isFile() ? sha256(await readFile(file)) : status.isSymbolicLink() ? await readlink(file) : '';
  const type = status.isFile() ? 'file' : status.isSymbolicLink() ? 'symlink' : 'directory';
  // Python and stat(1) round down too.
  const line = [relative, type, (status.mode & 0o7777).toString(8), status.uid, status.gid, Math.floor(status.mtimeMs / 1000), content].join(' ');
  if (!status.isDirectory()) return [line];
  const names = (await readdir(file)).sort((a, b) => Buffer.from(a).compare(Buffer.from(b)));
  const below = [];
  for (const name of names) below.push(...(await describeFolder(root, relative ? `${relative}/${name}` : name)));
  return [line, ...below];
}

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
