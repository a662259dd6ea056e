import { mkdir, truncate, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createContext } from '../../../src/context.ts';
import { run } from '../../../src/host/process.ts';
import { temporaryDirectory } from '../temporary-directory.ts';

const MiB = 1024 * 1024;

/** Fixed ids, so that tests can compare whole values. */
export const sampleIds = {
  /** MBR signature, or the GPT's GUID. */
  mbrDiskId: '7f3a91c2',
  gptDiskId: '5a1e2b30-1111-4222-8333-444455556666',
  gptBootId: '5a1e2b30-aaaa-4222-8333-444455556666',
  gptRootId: '5a1e2b30-bbbb-4222-8333-444455556666',
  fatVolumeId: '3c0ffee1',
  rootUuid: '0a1b2c3d-4e5f-4061-8273-94a5b6c7d8e9',
  hashSeed: '11111111-2222-4333-8444-555566667777',
} as const;

export interface SampleOsImageOptions {
  readonly table?: 'mbr' | 'gpt';
  /** Default: 48 MiB. */
  readonly bootBytes?: number;
  /** Default: 64 MiB. */
  readonly rootBytes?: number;
  /** Default: 32. */
  readonly fatType?: 12 | 16 | 32;
  /** Instead of `root=PARTUUID=... rootfstype=ext4 ...`. */
  readonly cmdline?: string;
  /** Adds to, or changes, what will be the boot partition and the root file system. */
  readonly populateBoot?: (directory: string) => Promise<void>;
  readonly populateRoot?: (directory: string) => Promise<void>;
  /** More arguments for mke2fs, such as `['-O', '^metadata_csum']`. */
  readonly mke2fsArgs?: readonly string[];
}

export interface SampleOsImage {
  readonly file: string;
  readonly sizeBytes: number;
  readonly boot: { readonly startBytes: number; readonly sizeBytes: number };
  readonly root: { readonly startBytes: number; readonly sizeBytes: number };
  /** What was laid in: the trees as folders. */
  readonly bootDirectory: string;
  readonly rootDirectory: string;
}

/**
 * A small image in Raspberry Pi OS's layout (FAT32 `bootfs` from 8 MiB on, ext4 `rootfs` behind it), sparse, in about a
 * second. Made by sfdisk, mkfs.vfat, mtools and mke2fs, not by what is tested with it. Nothing in it can boot.
 */
export async function makeSampleOsImage(file: string, options: SampleOsImageOptions = {}): Promise<SampleOsImage> {
  const { table = 'mbr', bootBytes = 48 * MiB, rootBytes = 64 * MiB, fatType = 32 } = options;
  const boot = { startBytes: 8 * MiB, sizeBytes: bootBytes };
  const root = { startBytes: boot.startBytes + bootBytes, sizeBytes: rootBytes };
  const sizeBytes = root.startBytes + rootBytes + (table === 'gpt' ? MiB : 0);
  const trees = await temporaryDirectory('sample-os');
  const bootDirectory = path.join(trees, 'boot');
  const rootDirectory = path.join(trees, 'root');
  await fillBoot(bootDirectory, table, options);
  await fillRoot(rootDirectory, options);

  await writeFile(file, '');
  await truncate(file, sizeBytes);
  await tool('sfdisk', ['--quiet', file], tableScript(table, boot, root));
  const sectorsPerCluster = { 12: 64, 16: 4, 32: 1 }[fatType];
  await tool('mkfs.vfat', [
    ...['-F', String(fatType), '-s', String(sectorsPerCluster), '-n', 'bootfs', '-i', sampleIds.fatVolumeId],
    ...['--offset', String(boot.startBytes / 512), file, String(boot.sizeBytes / 1024)],
  ]);
  await tool('sh', ['-ec', 'cd "$2" && mcopy -s -m -i "$1" -- * ::/', 'sh', `${path.resolve(file)}@@${boot.startBytes}`, bootDirectory]);
  await tool('mke2fs', [
    ...['-q', '-F', '-t', 'ext4', '-b', '4096', '-L', 'rootfs', '-U', sampleIds.rootUuid, '-d', rootDirectory],
    ...['-E', `offset=${root.startBytes},hash_seed=${sampleIds.hashSeed},root_owner=0:0`, ...(options.mke2fsArgs ?? [])],
    ...[file, `${root.sizeBytes / 1024}k`],
  ]);
  return { file, sizeBytes, boot, root, bootDirectory, rootDirectory };
}

async function fillBoot(directory: string, table: 'mbr' | 'gpt', options: SampleOsImageOptions): Promise<void> {
  const rootId = table === 'mbr' ? `${sampleIds.mbrDiskId}-02` : sampleIds.gptRootId;
  await mkdir(path.join(directory, 'overlays'), { recursive: true });
  const files = {
    'cmdline.txt': options.cmdline ?? `console=serial0,115200 console=tty1 root=PARTUUID=${rootId} rootfstype=ext4 fsck.repair=yes rootwait\n`,
    'config.txt': 'arm_64bit=1\ndtoverlay=vc4-kms-v3d\n',
    'bootcode.bin': 'not a boot loader\n',
    'start4.elf': 'not a firmware\n',
    'kernel8.img': Buffer.alloc(300_000, 'not a kernel '),
    'bcm2711-rpi-4-b.dtb': 'not a device tree\n',
    'overlays/vc4-kms-v3d.dtbo': 'not an overlay\n',
  };
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(directory, name), content);
  await options.populateBoot?.(directory);
}

async function fillRoot(directory: string, options: SampleOsImageOptions): Promise<void> {
  const folders = ['boot/firmware', 'etc', 'home', 'root', 'usr/bin', 'usr/lib', 'var/lib', 'tmp'];
  for (const folder of folders) await mkdir(path.join(directory, folder), { recursive: true });
  const files = {
    'etc/os-release': 'PRETTY_NAME="Sample GNU/Linux 13"\nID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n',
    'etc/hostname': 'raspberrypi\n',
    'etc/fstab': `PARTUUID=${sampleIds.mbrDiskId}-02 / ext4 defaults,noatime 0 1\n`,
    'usr/bin/zeros': Buffer.alloc(1_000_000),
    'usr/lib/data': Buffer.alloc(3_000_000, 'some bytes of a library '),
  };
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(directory, name), content);
  await options.populateRoot?.(directory);
  await utimes(directory, 1_700_000_000, 1_700_000_000);
}

interface Place {
  readonly startBytes: number;
  readonly sizeBytes: number;
}

function tableScript(table: 'mbr' | 'gpt', boot: Place, root: Place): string {
  const sectors = ({ startBytes, sizeBytes }: Place) => `start=${startBytes / 512}, size=${sizeBytes / 512}`;
  if (table === 'mbr') {
    return `label: dos\nlabel-id: 0x${sampleIds.mbrDiskId}\n\n${sectors(boot)}, type=c\n${sectors(root)}, type=83\n`;
  }
  const [basicData, linuxData] = ['EBD0A0A2-B9E5-4433-87C0-68B6B72699C7', '0FC63DAF-8483-4772-8E79-3D69D8477DE4'];
  return [
    `label: gpt\nlabel-id: ${sampleIds.gptDiskId}\n`,
    `${sectors(boot)}, type=${basicData}, uuid=${sampleIds.gptBootId}, name="boot"`,
    `${sectors(root)}, type=${linuxData}, uuid=${sampleIds.gptRootId}, name="root"\n`,
  ].join('\n');
}

/** Runs a program of the disk tools, which Debian keeps out of ordinary users' PATH, and gives its output. */
export async function tool(program: string, args: readonly string[], input?: string): Promise<string> {
  const env = { PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin`, MTOOLS_SKIP_CHECK: '1', TZ: 'UTC' };
  const { stdout } = await run(createContext(), { program, args, env }, input === undefined ? {} : { input });
  return stdout;
}
