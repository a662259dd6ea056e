/**
 * Which targets are refused, told from what lsblk and diskutil print. The loop devices' and the system disk's outputs were
 * captured (util-linux 2.38.1); those of a USB card, of LVM and of macOS are written after the programs' manual pages.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { diskutilCommand, parseDiskutil, parsePlist } from '../../../src/bake/flash/target/diskutil.ts';
import { lsblkCommand, parseLsblk } from '../../../src/bake/flash/target/lsblk.ts';
import { parseMountinfo } from '../../../src/bake/flash/target/mountinfo.ts';
import { refusal, type FlashNeeds } from '../../../src/bake/flash/target/refusals.ts';
import type { FlashTarget } from '../../../src/bake/flash/target/flash-target.ts';

const fixture = (name: string) => readFile(path.join(import.meta.dirname, '../../fixtures/flash', name), 'utf8');
const lsblk = async (name: string, mountinfo = '') => parseLsblk(await fixture(name), parseMountinfo(mountinfo));

const root = '27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard';
const card = '44 27 7:0 / /srv/mnt\\040x rw,relatime - ext4 /dev/loop0 rw\n45 27 7:0 / /tmp/card rw,relatime shared:2 - ext4 /dev/loop0 rw';

const needs: FlashNeeds = { imageSizeBytes: 2_000_000_000, imageDeviceNumber: '254:0', imageIsTarget: false, force: false };

function refuses(t: ExecutionContext, target: FlashTarget, code: string, message: RegExp, remedy: RegExp, changed: Partial<FlashNeeds> = {}): void {
  const error = refusal(target, { ...needs, ...changed });
  t.is<string | undefined, string>(error?.code, code);
  t.regex(error?.message ?? '', message);
  t.regex(error?.remedy ?? '', remedy);
  t.is(error?.exitStatus, 3);
}

test('the command lines', (t) => {
  t.deepEqual(lsblkCommand('/dev/sdb').args, ['--json', '--bytes', '--output', 'NAME,PATH,MAJ:MIN,TYPE,SIZE,RO,RM,HOTPLUG,TRAN,VENDOR,MODEL,LABEL,FSTYPE,MOUNTPOINT,PKNAME', '/dev/sdb']);
  t.deepEqual(diskutilCommand('/dev/disk4', 'list'), { program: 'diskutil', args: ['list', '-plist', '/dev/disk4'] });
});

test('mountinfo: escapes, optional fields, lines that are none', (t) => {
  t.deepEqual(parseMountinfo(`${card}\n\nnonsense\n`), [
    { deviceNumber: '7:0', mountPoint: '/srv/mnt x', fileSystem: 'ext4', source: '/dev/loop0' },
    { deviceNumber: '7:0', mountPoint: '/tmp/card', fileSystem: 'ext4', source: '/dev/loop0' },
  ]);
});

test('a card in a reader is taken, with what it holds', async (t) => {
  const target = await lsblk('lsblk-usb-card.json', root);
  t.like(target, { path: '/dev/sdb', kind: 'disk', model: 'Generic MassStorageClass', transport: 'usb', removable: true, sizeBytes: 31_914_983_424, uses: [], contents: ['sdb1 vfat bootfs', 'sdb2 ext4 rootfs'] });
  t.is(refusal(target, needs), undefined);
  refuses(t, target, 'E_DEVICE_TOO_SMALL', /has 31914983424 bytes, the image has 31914983425/, /1 bytes are missing/, { imageSizeBytes: 31_914_983_425 });
  refuses(t, target, 'E_DEVICE_HOLDS_IMAGE', /lies on \/dev\/sdb itself/, /Copy the image/, { imageDeviceNumber: '8:18' });
  refuses(t, { ...target, readOnly: true }, 'E_DEVICE_READ_ONLY', /sdb is read-only/, /slider/);
  refuses(t, { ...target, sizeBytes: 0 }, 'E_DEVICE_EMPTY', /no card in \/dev\/sdb/, /Put one in/);
});

test('mounted anywhere, even if only mountinfo knows it; --force does not help', async (t) => {
  const loop = await lsblk('lsblk-loop-mounted.json', card);
  t.deepEqual(loop.uses.map(({ by }) => by), ['/srv/mnt x', '/tmp/card']);
  refuses(t, loop, 'E_DEVICE_IN_USE', /loop0 is mounted at \/srv\/mnt x, .* \/tmp\/card/, /sudo umount '\/srv\/mnt x'\nsudo umount '\/tmp\/card'/, { force: true });
  const usb = await lsblk('lsblk-usb-card.json', '50 27 8:18 / /media/card rw - ext4 /dev/sdb2 rw');
  refuses(t, usb, 'E_DEVICE_IN_USE', /sdb2 is mounted at \/media\/card/, /sudo umount '\/media\/card'/);
  const btrfs = await lsblk('lsblk-usb-card.json', '50 27 0:48 / /media/card rw - btrfs /dev/sdb2 rw');
  refuses(t, btrfs, 'E_DEVICE_IN_USE', /sdb2 is mounted at \/media\/card/, /umount/);
});

test('swap, LVM, the system disk, a partition, a fixed disk', async (t) => {
  refuses(t, await lsblk('lsblk-loop-swap.json'), 'E_DEVICE_IN_USE', /loop0 is swap space/, /sudo swapoff \/dev\/loop0/, { force: true });
  const lvm = await lsblk('lsblk-2.33-lvm.json');
  t.like(lvm, { removable: false, readOnly: false, sizeBytes: 2_000_398_934_016, deviceNumbers: ['8:32', '8:33', '253:0'] });
  refuses(t, lvm, 'E_DEVICE_IN_USE', /lvm vg0-data stands on it/, /vgchange/, { force: true });
  refuses(t, { ...lvm, uses: [] }, 'E_DEVICE_NOT_REMOVABLE', /sdc \(ATA Samsung_SSD_870, sata\) is not a removable disk/, /--force/);
  t.is(refusal({ ...lvm, uses: [] }, { ...needs, force: true }), undefined);
  const onLvm = await lsblk('lsblk-2.33-lvm.json', '27 1 253:0 / / rw - ext4 /dev/mapper/vg0-data rw');
  refuses(t, onLvm, 'E_DEVICE_SYSTEM', /runs from \(\/dev\/mapper\/vg0-data is \/\)/, /does not help/, { force: true });
  refuses(t, await lsblk('lsblk-system-disk.json', root), 'E_DEVICE_SYSTEM', /vda is the disk that this system runs from/, /lsblk/, { force: true });
  refuses(t, await lsblk('lsblk-system-disk.json'), 'E_DEVICE_SYSTEM', /vda/, /lsblk/, { force: true });
  refuses(t, await lsblk('lsblk-usb-card.json', '50 27 8:17 / /boot/firmware rw - vfat /dev/sdb1 rw'), 'E_DEVICE_SYSTEM', /is \/boot\/firmware/, /lsblk/);
  refuses(t, await lsblk('lsblk-partition.json'), 'E_DEVICE_PARTITION', /sdb1 is a partition/, /\/dev\/sdb\./, { force: true });
});

test('macOS: a card, and where it is mounted', async (t) => {
  const target = parseDiskutil(await fixture('diskutil-info.plist'), await fixture('diskutil-list.plist'));
  t.deepEqual(target, {
    path: '/dev/disk4',
    openPath: '/dev/rdisk4',
    kind: 'disk',
    sizeBytes: 31_914_983_424,
    model: 'STORAGE & DEVICE',
    transport: 'USB',
    removable: true,
    readOnly: false,
    wholeDisk: '/dev/disk4',
    contents: ['disk4s1 Windows_FAT_32 bootfs'],
    uses: [{ device: '/dev/disk4s1', by: '/Volumes/bootfs', kind: 'mount' }],
    deviceNumbers: [],
  });
  t.deepEqual(parsePlist('<plist><dict><key>a</key><array><integer>1</integer><false/></array><key>b</key><string></string></dict></plist>'), { a: [1, false], b: '' });
});
