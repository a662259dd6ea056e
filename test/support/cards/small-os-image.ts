import { mkdir, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { computeBlockMap } from '../../../src/bake/block-map/compute-block-map.ts';
import { openDiskFile } from '../../../src/bake/disk/disk-file.ts';
import { inspectImage } from '../../../src/bake/disk/inspect-image.ts';
import { publishImage, type PublishedImage, type PublishImageInput } from '../../../src/bake/publish/publish-image.ts';
import { createContext } from '../../../src/context.ts';
import { parsePlatform } from '../../../src/oci/platform.ts';
import { packedRelease } from '../releases/packed-release.ts';
import { temporaryDirectory } from '../temporary-directory.ts';

const mebibyte = 1024 * 1024;
const boot = { startBytes: mebibyte, sizeBytes: 16 * mebibyte };
const root = { startBytes: 17 * mebibyte, sizeBytes: 16 * mebibyte };

/** A raw image with MBR, FAT16 and ext4, made by the programs of Debian; partition UUIDs and labels are fixed. */
export async function makeSmallOsImage(file: string): Promise<void> {
  const scratch = await temporaryDirectory('small-image');
  const tree = path.join(scratch, 'root');
  await mkdir(path.join(tree, 'etc'), { recursive: true });
  await writeFile(path.join(tree, 'etc/hostname'), 'chat\n');
  const cmdline = path.join(scratch, 'cmdline.txt');
  await writeFile(cmdline, 'console=tty1 root=PARTUUID=0badc0de-02 rootwait\n');
  await writeFile(file, '');
  await truncate(file, root.startBytes + root.sizeBytes);
  const sectors = (bytes: number) => bytes / 512;
  const table = ['label: dos', 'label-id: 0x0badc0de', ...[{ ...boot, type: 'c' }, { ...root, type: '83' }].map(
    ({ startBytes, sizeBytes, type }) => `start=${sectors(startBytes)}, size=${sectors(sizeBytes)}, type=${type}`,
  )].join('\n');
  await execa('/usr/sbin/sfdisk', ['--quiet', file], { input: `${table}\n` });
  const [fat, ext4] = [path.join(scratch, 'fat'), path.join(scratch, 'ext4')];
  await execa('/usr/sbin/mkfs.vfat', ['-C', '-F', '16', '-i', 'ABCD1234', '-n', 'bootfs', fat, String(boot.sizeBytes / 1024)]);
  await execa('mcopy', ['-i', fat, cmdline, '::cmdline.txt']);
  await execa('/usr/sbin/mke2fs', ['-q', '-t', 'ext4', '-L', 'rootfs', '-U', '12345678-1234-4234-8234-123456789abc', '-d', tree, ext4, `${root.sizeBytes / 1024}k`]);
  for (const [part, { startBytes }] of [[fat, boot], [ext4, root]] as const) {
    await execa('dd', [`if=${part}`, `of=${file}`, `seek=${startBytes / mebibyte}`, 'bs=1M', 'conv=notrunc,sparse', 'status=none']);
  }
}

export const sampleStatus = 'Package: base-files\nStatus: install ok installed\nArchitecture: arm64\nVersion: 13.8\n';

/** The small image with everything that `bake` lays beside it, in a folder of its own. */
export async function publishedSmallImage(options: Partial<PublishImageInput> & { readonly directory?: string; readonly stem?: string; readonly signal?: AbortSignal } = {}): Promise<PublishedImage & { readonly directory: string }> {
  const { directory = await temporaryDirectory('published'), stem = 'chat-linux-arm64', signal, ...input } = options;
  const imageFile = path.join(directory, `${stem}.img`);
  await makeSmallOsImage(imageFile);
  await execa('xz', ['--keep', '--force', '-1', imageFile]);
  const disk = await openDiskFile(imageFile);
  try {
    const layout = await inspectImage(disk, imageFile);
    const published = await publishImage(createContext(signal ? { signal } : {}), {
      imageFile,
      compressedFile: `${imageFile}.xz`,
      layout,
      blockMap: await computeBlockMap(disk, layout),
      release: await packedRelease([{ 'usr/lib/os-release': 'ID=debian\nVERSION_ID="13"\n', 'var/lib/dpkg/status': sampleStatus }]),
      platform: parsePlatform('linux/arm64')!,
      os: { packages: sampleStatus, osRelease: 'ID=debian\nVERSION_ID="13"\n' },
      hostname: 'chat',
      preload: 'archive',
      base: { name: 'debian', initFormat: 'none' },
      engine: '26.1.5',
      created: new Date('2026-03-04T05:06:07Z'),
      toolVersion: '0.1.0',
      ...input,
    });
    return { ...published, directory };
  } finally {
    await disk.close();
  }
}
