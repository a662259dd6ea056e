import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parsePlatform, type Platform } from '../../oci/platform.ts';
import type { Ext4 } from '../disk/ext4/open-ext4.ts';
import type { Kernel } from './kernel.ts';

/** What of a root file system is read to boot it. */
export type RootFiles = Pick<Ext4, 'readFile' | 'walk'>;

/** Programs that tell the architecture; the first that is there. */
const programs = ['usr/bin/dash', 'bin/dash', 'usr/lib/systemd/systemd', 'usr/bin/busybox', 'bin/busybox'];
/** e_machine of ELF (System V ABI); 32-bit userlands need no 64-bit kernel here. */
const machines: Readonly<Record<number, string>> = { 0x28: 'linux/arm/v7', 0xb7: 'linux/arm64', 0x3e: 'linux/amd64' };
/** The first user of Debian's installers and of images; the login unless another is named. */
const firstUserId = 1000;

/** The platform of the programs in a root file system; undefined where none of the known ones is there. */
export async function platformOfRoot(root: RootFiles): Promise<Platform | undefined> {
  for (const program of programs) {
    const head = await readHead(root, program, 20);
    if (head?.toString('latin1', 0, 4) !== '\x7fELF') continue;
    const text = machines[head.readUInt16LE(18)];
    return text ? parsePlatform(text) : undefined;
  }
  return undefined;
}

/** The name of the user with the id 1000. */
export async function loginUserOfRoot(root: RootFiles): Promise<string | undefined> {
  const passwd = (await readHead(root, 'etc/passwd', 64 * 1024))?.toString('utf8') ?? '';
  return passwd.split('\n').map((line) => line.split(':')).find(([, , uid]) => uid === String(firstUserId))?.[0];
}

/**
 * Copies Debian's own kernel with its initramfs out of the root file system, the newest where there are several; undefined
 * where there is none that QEMU's machine knows: kernels made for the Raspberry Pi alone (-rpi-...) are not.
 */
export async function extractKernel(root: RootFiles, directory: string): Promise<Kernel | undefined> {
  const found = new Set<string>();
  for await (const entry of root.walk()) {
    if (entry.path > 'boot0') break; // in the order of the names' bytes, /boot is over
    if (entry.type === 'file' && /^boot\/(vmlinuz|initrd\.img)-[^/]+$/.test(entry.path)) found.add(entry.path);
  }
  const version = newestDebianKernel(found);
  if (version === undefined) return undefined;
  const files = { kernelFile: path.join(directory, 'vmlinuz'), initrdFile: path.join(directory, 'initrd') };
  for (const [source, target] of [[`boot/vmlinuz-${version}`, files.kernelFile], [`boot/initrd.img-${version}`, files.initrdFile]] as const) {
    const content = await root.readFile(source);
    if (!content) return undefined;
    await pipeline(content, createWriteStream(target));
  }
  return { name: `the image's own ${version}`, ...files };
}

/** Of `boot/vmlinuz-VERSION` and `boot/initrd.img-VERSION`: the highest version that has both and is Debian's. */
export function newestDebianKernel(paths: ReadonlySet<string>): string | undefined {
  const order = new Intl.Collator('en', { numeric: true });
  return [...paths]
    .flatMap((file) => /^boot\/vmlinuz-(.+-(?:arm64|armmp)(?:-.+)?)$/.exec(file)?.[1] ?? [])
    .filter((version) => paths.has(`boot/initrd.img-${version}`))
    .sort((a, b) => order.compare(a, b))
    .at(-1);
}

async function readHead(root: RootFiles, file: string, length: number): Promise<Buffer | undefined> {
  const content = await root.readFile(file);
  if (!content) return undefined;
  const chunks: Buffer[] = [];
  let received = 0;
  for await (const chunk of content as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    received += chunk.length;
    if (received >= length) break;
  }
  return received < Math.min(length, 20) ? undefined : Buffer.concat(chunks).subarray(0, length);
}
