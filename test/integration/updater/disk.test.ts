import path from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { devicePaths } from '../../../src/device/files.ts';
import { Device } from '../../device/device.ts';
import type { SampleRelease, SampleService } from '../../device/sample-release.ts';
import { failingDisk } from '../../support/disks/failing-disk.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** Disks that are too small, or fail. Needs root, Linux, dockerd, e2fsprogs, /dev/fuse and qemu-system-common; fails without. */
const web = (content: string, more: Partial<SampleService> = {}): SampleService => {
  return { name: 'web', content, port: 8080, probes: [['http', 'http://127.0.0.1:8080/version', '200']], ...more };
};

function release(version: string, more: Partial<SampleRelease> = {}): SampleRelease {
  return { version, services: [web(version)], ...more };
}

test('a copy of the data that would not fit is known before anything stops', async (t) => {
  const device = await Device.create({ diskMiB: 160 });
  try {
    const first = await device.rollout(release('1.0.0'));
    t.is(first.status, 0, first.output);
    const before = await device.container('web');
    await device.host.exec('head -c 40M /dev/urandom >/var/lib/docker/volumes/sample_data/_data/large');
    await device.host.fillDisk(32);
    const refused = await device.rollout(release('2.0.0', { dataVersion: 2 }));
    t.is(refused.status, 3, refused.output);
    t.deepEqual(refused.codes, ['E_DISK_FULL']);
    t.regex(refused.output, /the copy of the data needs \d{8} bytes in \/var\/lib\/prose-ship, \d{8} are free; nothing was touched/);
    t.is(await device.container('web'), before);
    t.is((await device.host.exec(`ls -A ${devicePaths.stateDirectory}/snapshots`)).stdout, '');
    await device.host.fillDisk(undefined);
    const again = await device.run(`rollout ${refused.id}`);
    t.is(again.status, 0, again.output);
    t.is(await device.answer(), '2.0.0');
  } finally {
    await device.destroy();
  }
});

test('a card that gives no bytes is named; what runs goes on, also when the card becomes read-only', async (t) => {
  const directory = await temporaryDirectory('bad-card');
  const image = path.join(directory, 'card');
  await execa('truncate', ['-s', '48M', image]);
  await execa('mkfs.ext4', ['-q', '-b', '4096', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image]);
  const device = await Device.create();
  let closeDisk = async () => {};
  const state = devicePaths.stateDirectory;
  const succeed = async (script: string): Promise<string> => {
    const { exitCode, stdout, stderr } = await device.host.exec(`set -e\n${script}`);
    if (exitCode !== 0) throw new Error(`${script}: ${stderr}`);
    return stdout;
  };
  /** The sector where something begins that debugfs finds in the image. */
  const sectorOf = async (request: string): Promise<number> => {
    const { stdout } = await execa('debugfs', ['-R', request, image]);
    return (Number(/\d+/.exec(stdout)![0]) * 4096) / 512;
  };
  try {
    const first = await device.rollout(release('1.0.0'));
    t.is(first.status, 0, first.output);
    const before = await device.container('web');
    const id = await device.upload(release('1.1.0'));
    const good = await failingDisk(image, []);
    closeDisk = () => good.close();
    await succeed(`mount ${good.device} /mnt; cp -a ${state}/. /mnt; umount /mnt`);
    await good.close();

    // Half-way into the archive, and late in the journal, which a few dozen writes reach.
    const inArchive = await sectorOf(`bmap /incoming/${id}/images/web.tar.gz 20`);
    const inJournal = await sectorOf('bmap <8> 60');
    const bad = await failingDisk(image, [{ on: 'read', sector: inArchive }, { on: 'write', sector: inJournal }]);
    closeDisk = () => bad.close();
    await succeed(`mount -o errors=remount-ro ${bad.device} ${state}`);
    const refused = await device.run(`rollout ${id}`);
    t.is(refused.status, 3, refused.output);
    t.deepEqual(refused.codes, ['E_IO_ERROR']);
    t.regex(refused.output, /the disk of this device does not give back release 1\.1\.0-\w+, so it must be replaced: .*images\/web\.tar\.gz: Input\/output error/);
    t.is(await device.container('web'), before);

    // Every run writes a log, a lock and a journal; in the end one of these writes is the one that fails.
    let last = refused;
    for (let runs = 0; runs < 60 && !last.codes.includes('E_READ_ONLY'); runs += 1) last = await device.run(`receive ${id}`);
    t.deepEqual([last.status, last.codes], [3, ['E_READ_ONLY']], last.output);
    t.is(await device.container('web'), before);
    t.is(await device.answer(), '1.0.0');
    t.is((await device.inventory()).readOnlyPath, state);
    await succeed(`umount ${state}`);
  } finally {
    await device.destroy();
    await closeDisk();
  }
});
