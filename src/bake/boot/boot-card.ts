import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { run } from '../../host/process.ts';
import { findFreePort } from '../../host/qemu/loopback.ts';
import { formatPlatform, type Platform } from '../../oci/platform.ts';
import { openDiskFile, slice } from '../disk/disk-file.ts';
import { openExt4 } from '../disk/ext4/open-ext4.ts';
import { readFatFile } from '../disk/fat/fat.ts';
import { inspectImage } from '../disk/inspect-image.ts';
import { openImageStream, writeSparse } from '../image-stream.ts';
import { provideBootKit } from './boot-kit.ts';
import { requireEmulator } from './emulator.ts';
import { extractKernel, loginUserOfRoot, platformOfRoot } from './image-kernel.ts';
import { kernelParameters, type Kernel } from './kernel.ts';
import { createOverlay, emulatorOf, type Machine } from './qemu.ts';

export interface BootRequest {
  /** Raw, or compressed: then it is unpacked first. */
  readonly imageFile: string;
  /** Default: that of the programs in the image. */
  readonly platform?: Platform;
  /** Default: the image's own, else one made of Debian's packages. */
  readonly kernel?: Kernel;
  /** More words for the kernel's command line. */
  readonly parameters?: string;
  /** Default 2048. */
  readonly memoryMiB?: number;
  /** Default 2. */
  readonly cpus?: number;
  /** Default: one that is free. */
  readonly sshPort?: number;
  /** Default: the image's first user. */
  readonly user?: string;
  readonly internet?: boolean;
  /** The card's size, if that is more than the image; default 8 GiB. */
  readonly cardBytes?: number;
  readonly onLine?: (line: string) => void;
  readonly onProgress?: (doneBytes: number, totalBytes?: number) => void;
}

/** A card in its reader: everything that powering it on needs. */
export interface Card {
  /** Holds all that belongs to it. */
  readonly directory: string;
  readonly machine: Machine;
  readonly user?: string;
  remove(): Promise<void>;
}

const defaultCardBytes = 8 * 1024 ** 3;
const defaultMemoryMiB = 2048;
/** sockaddr_un has room for 108 bytes on Linux, for 104 on macOS. */
const socketPathBytes = 100;

/**
 * Lays a copy-on-write card over an image, which stays as it is, and finds what boots it.
 * @throws ShipError E_NOT_AN_OS_IMAGE, E_IMAGE_... (exit status 2), E_NOT_BOOTABLE (3), E_QEMU_MISSING (3), E_BOOT_KIT (3)
 */
export async function prepareCard(context: Context, request: BootRequest): Promise<Card> {
  const parent = path.join(context.cacheDirectory, 'boot');
  await mkdir(parent, { recursive: true });
  const directory = await mkdtemp(path.join(parent, 'card-'));
  const short = path.join(directory, 'qmp');
  const socketDirectory = Buffer.byteLength(short) <= socketPathBytes ? directory : await mkdtemp(path.join(os.tmpdir(), 'prose-ship-'));
  const remove = async (): Promise<void> => {
    for (const folder of new Set([directory, socketDirectory])) await rm(folder, { recursive: true, force: true });
  };
  try {
    const imageFile = await unpack(context, request, directory);
    const { platform, kernel, parameters, user, sizeBytes } = await readImage(context, request, imageFile, directory);
    const overlayFile = path.join(directory, 'card.qcow2');
    await run(context, createOverlay(imageFile, overlayFile, Math.max(sizeBytes, request.cardBytes ?? defaultCardBytes)));
    const machine: Machine = {
      platform,
      kernel,
      kernelParameters: parameters,
      overlayFile,
      memoryMiB: request.memoryMiB ?? defaultMemoryMiB,
      cpus: request.cpus ?? 2,
      sshPort: request.sshPort ?? (await findFreePort()),
      internet: request.internet ?? false,
      consoleFile: path.join(directory, 'console.log'),
      qmpSocket: path.join(socketDirectory, 'qmp'),
      pidFile: path.join(directory, 'qemu.pid'),
    };
    return { directory, machine, remove, ...(user ? { user } : {}) };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** The image itself where it is raw, else a sparse copy. */
async function unpack(context: Context, { imageFile, onProgress }: BootRequest, directory: string): Promise<string> {
  const { stream, format, sizeBytes } = await openImageStream(imageFile);
  if (format === 'raw') {
    stream.destroy();
    return path.resolve(imageFile);
  }
  const target = path.join(directory, 'image.img');
  await writeSparse(stream, target, {
    signal: context.signal,
    onProgress: (doneBytes) => onProgress?.(doneBytes, sizeBytes),
  });
  return target;
}

interface Bootable {
  readonly platform: Platform;
  readonly kernel: Kernel;
  readonly parameters: string;
  readonly user?: string;
  readonly sizeBytes: number;
}

async function readImage(context: Context, request: BootRequest, imageFile: string, directory: string): Promise<Bootable> {
  const disk = await openDiskFile(imageFile);
  try {
    const layout = await inspectImage(disk, path.basename(request.imageFile));
    const root = await openExt4(slice(disk, layout.root.startBytes, layout.root.sizeBytes));
    const platform = request.platform ?? (await platformOfRoot(root));
    if (!platform || !emulatorOf(platform)) throw notBootable(request.imageFile, platform);
    await requireEmulator(context, { platform });
    const kernel = request.kernel ?? (await extractKernel(root, directory)) ?? (await provideBootKit(context, platform, request.onLine));
    const cmdline = await readFatFile(slice(disk, layout.boot.startBytes, layout.boot.sizeBytes), 'cmdline.txt');
    const words = `${cmdline?.toString('utf8') ?? ''} ${request.parameters ?? ''}`;
    const user = request.user ?? (await loginUserOfRoot(root));
    return {
      platform,
      kernel,
      parameters: kernelParameters(`UUID=${layout.ext4.uuid}`, words, kernel),
      sizeBytes: disk.sizeBytes,
      ...(user ? { user } : {}),
    };
  } finally {
    await disk.close();
  }
}

function notBootable(imageFile: string, platform: Platform | undefined): ShipError {
  return new ShipError({
    code: 'E_NOT_BOOTABLE',
    message: platform
      ? `'${path.basename(imageFile)}' is for ${formatPlatform(platform)}, which prose-ship boots no image of`
      : `'${path.basename(imageFile)}' has no program that tells its platform`,
    remedy: 'Images for linux/arm64 and linux/arm/v7 can be booted; `--platform` names the platform of one that does not tell.',
    exitStatus: ExitStatus.preflight,
  });
}
