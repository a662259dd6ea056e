import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { ended, killQuietly, spawnTied } from '../hosts/tied-process.ts';

/** A sector of 512 bytes that the disk does not give back, or does not take. */
export interface BadSector {
  readonly on: 'read' | 'write';
  readonly sector: number;
}

export interface FailingDisk {
  /** `/dev/loop3` */
  readonly device: string;
  /** Whatever is mounted must be unmounted before. */
  close(): Promise<void>;
}

/**
 * A block device over an image file, some of whose sectors fail with EIO, as those of a card that wears out: QEMU's
 * blkdebug driver, exported as a file by FUSE, under a loop device. Needs root, /dev/fuse and qemu-system-common.
 */
export async function failingDisk(image: string, badSectors: readonly BadSector[]): Promise<FailingDisk> {
  const [rules, exported] = [`${image}.rules`, `${image}.failing`];
  const rule = ({ on, sector }: BadSector) => `[inject-error]\nevent = "none"\niotype = "${on}"\nerrno = "5"\nsector = "${sector}"\nonce = "off"\n`;
  await writeFile(rules, badSectors.map(rule).join('\n'));
  await writeFile(exported, '');
  // In a mount namespace of its own: what FUSE mounts goes away with it, however it ends.
  const daemon = spawnTied([
    ...['unshare', '--mount', '--', 'qemu-storage-daemon'],
    ...['--blockdev', `driver=file,node-name=file,filename=${image},locking=off`],
    ...['--blockdev', `driver=blkdebug,node-name=failing,image=file,config=${rules}`],
    ...['--export', `type=fuse,id=export,node-name=failing,mountpoint=${exported},writable=on`],
  ]);
  const inside = async (...words: readonly string[]) => (await execa('nsenter', ['--target', String(daemon.pid), '--mount', '--', ...words], { reject: false })).stdout;
  const stop = async () => {
    killQuietly(daemon.pid);
    await ended(daemon);
  };
  try {
    for (let waited = 0; !(Number(await inside('stat', '-c', '%s', exported)) > 0); waited += 1) {
      if (waited > 600 || daemon.exitCode !== null) throw new Error('qemu-storage-daemon exported nothing');
      await delay(50);
    }
    const device = await inside('losetup', '--show', '--find', exported);
    if (device === '') throw new Error('there is no loop device');
    return {
      device,
      close: async () => {
        await execa('losetup', ['--detach', device], { reject: false });
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
