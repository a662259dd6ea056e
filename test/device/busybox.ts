import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** A static busybox: the content of the tests' images, and the second shell that must understand the updater. */
export async function staticBusybox(): Promise<string> {
  const installed = await execute('dpkg-query', ['--listfiles', 'busybox-static']).catch(() => ({ stdout: '' }));
  const binary = installed.stdout.split('\n').find((line) => line.endsWith('/bin/busybox'));
  if (binary) return binary;
  return downloadedBusybox();
}

/** From the machine's own Debian sources, kept between runs. */
async function downloadedBusybox(): Promise<string> {
  const kept = path.join(os.tmpdir(), 'prose-ship-test-busybox');
  for (const folder of ['bin', 'usr/bin']) {
    const binary = path.join(kept, folder, 'busybox');
    if (await access(binary).then(() => true, () => false)) return binary;
  }
  await mkdir(os.tmpdir(), { recursive: true });
  const download = await mkdtemp(`${kept}-`);
  await execute('sh', ['-c', 'apt-get download busybox-static && dpkg -x busybox-static*.deb tree'], { cwd: download });
  await rename(path.join(download, 'tree'), kept).catch(() => {}); // another test process was faster
  await rm(download, { recursive: true, force: true });
  return downloadedBusybox();
}
