import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { zstdDecompressSync } from 'node:zlib';

const sectorBytes = 512;
const bootStart = 2048;
const rootStart = 36864;
const imageBytes = 64 * 1024 * 1024;

/**
 * The smallest image that boots: MBR, a FAT boot partition and an ext4 root whose init is this shell script, run by the
 * busybox of a boot kit's initramfs.
 */
export function makeTinyCard(directory: string, options: { readonly initrdFile: string; readonly init: string; readonly cmdline?: string }): string {
  const root = path.join(directory, 'root');
  for (const name of ['bin', 'sbin', 'dev', 'proc', 'sys', 'run', 'etc', 'lib']) mkdirSync(path.join(root, name), { recursive: true });
  writeFileSync(path.join(root, 'bin/busybox'), fileOfInitramfs(options.initrdFile, 'bin/busybox'), { mode: 0o755 });
  symlinkSync('busybox', path.join(root, 'bin/sh'));
  writeFileSync(path.join(root, 'sbin/init'), `#!/bin/sh\n${options.init}\n`);
  chmodSync(path.join(root, 'sbin/init'), 0o755);

  const image = path.join(directory, 'tiny.img');
  writeFileSync(image, '');
  truncateSync(image, imageBytes);
  const table = `label: dos\nlabel-id: 0x1234abcd\nstart=${bootStart},size=${rootStart - bootStart},type=c\nstart=${rootStart},type=83\n`;
  execFileSync('sfdisk', ['--quiet', image], { input: table });
  const fat = ['-i', `${image}@@${bootStart * sectorBytes}`];
  execFileSync('mformat', [...fat, '-T', String(rootStart - bootStart), '-h', '16', '-s', '32', '-v', 'bootfs', '::']);
  writeFileSync(path.join(directory, 'cmdline.txt'), `${options.cmdline ?? 'root=PARTUUID=1234abcd-02 rootwait'}\n`);
  execFileSync('mcopy', [...fat, path.join(directory, 'cmdline.txt'), '::cmdline.txt']);
  const offset = rootStart * sectorBytes;
  const uuid = '11111111-2222-3333-4444-555555555555';
  execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-U', uuid, '-d', root, '-E', `offset=${offset}`, image, `${(imageBytes - offset) / 1024}K`]);
  return image;
}

/** Reads the `newc` format of cpio: a header of 110 characters, the name, the content, both padded to four bytes (cpio(5)). */
export function fileOfInitramfs(initrdFile: string, name: string): Buffer {
  const archive = zstdDecompressSync(readFileSync(initrdFile));
  const padded = (offset: number) => Math.ceil(offset / 4) * 4;
  for (let at = 0; archive.toString('latin1', at, at + 6) === '070701'; ) {
    const field = (index: number) => parseInt(archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
    const nameEnd = at + 110 + field(11);
    const start = padded(nameEnd);
    if (archive.toString('utf8', at + 110, nameEnd - 1) === name) return archive.subarray(start, start + field(6));
    at = padded(start + field(6));
  }
  throw new Error(`${initrdFile} holds no ${name}`);
}
