/** Flashing onto loop devices, which are real block devices, and onto plain files. Needs root. */
import { once } from 'node:events';
import { closeSync, createReadStream, existsSync, openSync, statSync, writeSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { flash } from '../../../src/bake/flash/flash.ts';
import { planFlash, type FlashOptions } from '../../../src/bake/flash/plan-flash.ts';
import { ShipError } from '../../../src/errors.ts';
import type { ShipEvent } from '../../../src/events.ts';
import { createContext } from '../../../src/context.ts';
import { entry, node, proseShip } from '../../support/command-line.ts';
import { loopDevice, mounted, sentBytes } from '../../support/disks/loop-device.ts';
import { recordingContext } from '../../support/recording-context.ts';
import { sampleImage, type SampleImage } from '../../support/releases/sample-image.ts';

const MiB = 1024 * 1024;
const cardBytes = 32 * MiB;

/** A card full of 0xFF, so that whatever is written to it shows. */
async function card(t: ExecutionContext, image: SampleImage, options: readonly string[] = []): Promise<{ device: string; backing: string }> {
  // In memory where that can be had: the card's speed is not what is tested.
  const backing = path.join(await mkdtemp(path.join(existsSync('/dev/shm') ? '/dev/shm' : image.directory, 'prose-ship-card-')), 'backing');
  t.teardown(() => rm(path.dirname(backing), { recursive: true, force: true }));
  await writeFile(backing, Buffer.alloc(cardBytes, 0xff));
  return { device: await loopDevice(t, backing, options), backing };
}

async function carryOut(options: FlashOptions, context = createContext()) {
  return flash(context, await planFlash(context, { force: true, ...options }));
}

async function read(device: string): Promise<Buffer> {
  return Buffer.concat(await createReadStream(device).toArray());
}

/** What the device must hold: the image where it is mapped, 0xFF everywhere else. */
function expected(image: SampleImage, sizeBytes = cardBytes): Buffer {
  const whole = Buffer.alloc(sizeBytes, 0xff);
  for (const { startBytes, sizeBytes: length } of image.map.ranges) image.content.copy(whole, startBytes, startBytes, startBytes + length);
  return whole;
}

const fails = async (t: ExecutionContext, work: () => Promise<unknown>, code: string, exitStatus: number, message: RegExp): Promise<ShipError> => {
  const error = await t.throwsAsync(work, { instanceOf: ShipError, message });
  t.is<string, string>(error.code, code);
  t.is(error.exitStatus, exitStatus as never);
  t.truthy(error.remedy);
  return error;
};

test.serial('raw, .xz and .zst are written by their map: the mapped ranges, nothing else, at most 2 % more', async (t) => {
  const image = await sampleImage();
  await execa('sh', ['-ec', 'xz -0 -k card.img; zstd -q card.img -o card.img.zst'], { cwd: image.directory });
  for (const name of ['card.img', 'card.img.xz', 'card.img.zst']) {
    const { device } = await card(t, image);
    const before = await sentBytes(device);
    const result = await carryOut({ image: path.join(image.directory, name), device });
    const sent = (await sentBytes(device)) - before;
    t.true((await read(device)).equals(expected(image)), name);
    t.like(result, { device, imageSizeBytes: image.content.length, mappedBytes: image.mappedBytes, verifiedBytes: image.mappedBytes, direct: true, readBack: 'device' });
    t.is(sent, result.writtenBytes, `${name}: what the kernel counted`);
    t.true(sent <= 1.02 * image.mappedBytes, `${name}: ${sent} of ${image.mappedBytes}`);
  }
});

test.serial('without a map everything is written, and said so', async (t) => {
  const image = await sampleImage();
  await rm(`${image.file}.bmap`);
  await truncate(image.file, 20 * MiB + 512 + 3); // an odd end, which O_DIRECT alone cannot write
  const { device } = await card(t, image);
  const { context, events } = recordingContext();
  const result = await carryOut({ image: image.file, device }, context);
  const content = await read(device);
  const odd = await readFile(image.file);
  t.true(content.subarray(0, odd.length).equals(odd));
  t.true(content.subarray(odd.length).equals(Buffer.alloc(cardBytes - odd.length, 0xff)));
  t.is(result.mappedBytes, odd.length);
  t.true(events.some((event) => event.type === 'log' && /no block map.*everything is written/.test(event.message)));
});

test.serial('a plain file is made, or overwritten in place', async (t) => {
  const image = await sampleImage();
  const made = path.join(image.directory, 'made.img');
  await carryOut({ image: image.file, device: made, force: false });
  t.true((await readFile(made)).equals(image.content));
  const existing = path.join(image.directory, 'existing.img');
  await writeFile(existing, Buffer.alloc(cardBytes, 0xff));
  await carryOut({ image: image.file, device: existing, force: false });
  t.true((await readFile(existing)).equals(expected(image)));
});

test.serial('a file system without O_DIRECT is written through the page cache, and the result says what was read back', async (t) => {
  const image = await sampleImage();
  const folder = path.join(image.directory, 'ramfs');
  await mkdir(folder);
  await mounted(t, ['-t', 'ramfs', 'ramfs'], folder);
  const target = path.join(folder, 'card.img');
  await writeFile(target, Buffer.alloc(cardBytes, 0xff));
  const plan = await planFlash(createContext(), { image: image.file, device: target });
  t.false(plan.direct);
  t.like(await flash(createContext(), plan), { direct: false, readBack: 'device, cached pages given back first' });
  t.true((await readFile(target)).equals(expected(image)));
  await rm(target);
  t.like(await flash(createContext({ environment: { PATH: '/none' } }), await planFlash(createContext(), { image: image.file, device: target })), { direct: false, readBack: 'maybe the page cache' });
  t.true((await readFile(target)).equals(image.content));
});

test.serial('an image that is not what its map says leaves no partition table behind', async (t) => {
  const image = await sampleImage();
  const { device } = await card(t, image);
  const handle = await open(image.file, 'r+');
  await handle.write(Buffer.from('X'), 0, 1, 17 * MiB);
  await handle.close();
  const error = await fails(t, () => carryOut({ image: image.file, device }), 'E_IMAGE_CORRUPT', 1, /4194304 bytes from 16777216.*not usable until it is flashed again/);
  t.like(error.result, { device, usable: false });
  t.true((await read(device)).subarray(0, 4096).equals(Buffer.alloc(4096)));
  const made = path.join(image.directory, 'made.img');
  await fails(t, () => carryOut({ image: image.file, device: made }), 'E_IMAGE_CORRUPT', 1, /was removed again/);
  await t.throwsAsync(() => stat(made), { code: 'ENOENT' });
});

test.serial('what can be known before is refused before anything is touched', async (t) => {
  const image = await sampleImage();
  const { device, backing } = await card(t, image);
  await execa('sh', ['-ec', 'xz -0 -k card.img; head -c 5000000 card.img.xz > cut.img.xz; head -c 20000000 card.img > short.img'], { cwd: image.directory });
  await copyFile(`${image.file}.bmap`, path.join(image.directory, 'short.img.bmap'));
  const at = (name: string) => path.join(image.directory, name);
  const before = await sentBytes(device);
  const refuses = (options: Partial<FlashOptions>, code: string, exitStatus: number, message: RegExp) =>
    fails(t, () => carryOut({ image: image.file, device, ...options }), code, exitStatus, message);
  await refuses({ image: at('cut.img.xz') }, 'E_IMAGE_CORRUPT', 2, /does not end like an xz file/);
  await refuses({ image: at('short.img') }, 'E_BMAP_MISMATCH', 2, /25165824 bytes; this one has 20000000/);
  await refuses({ force: false }, 'E_DEVICE_NOT_REMOVABLE', 3, /loop device.*not a removable disk/);
  await refuses({ device: image.directory }, 'E_DEVICE_KIND', 3, /folder/);
  await refuses({ device: '/dev/null' }, 'E_DEVICE_KIND', 3, /no block device/);
  await refuses({ device: '/dev/prose-ship-none' }, 'E_DEVICE_NOT_FOUND', 3, /no '\/dev\/prose-ship-none'/);
  await refuses({ device: image.file }, 'E_DEVICE_HOLDS_IMAGE', 3, /is the image itself/);
  await refuses({ bmap: at('none.bmap') }, 'E_BMAP_NOT_FOUND', 2, /ENOENT/);
  t.is(await sentBytes(device), before);

  await truncate(backing, 20 * MiB);
  await execa('losetup', ['--set-capacity', device]);
  await refuses({}, 'E_DEVICE_TOO_SMALL', 3, /has 20971520 bytes, the image has 25165824/);
  const small = at('small.img');
  await writeFile(small, 'x');
  await refuses({ device: small }, 'E_DEVICE_TOO_SMALL', 3, /has 1 bytes/);
  t.is(await readFile(small, 'utf8'), 'x');
  const readOnly = await loopDevice(t, at('card.img.xz'), ['--read-only']);
  await refuses({ device: readOnly, image: image.file }, 'E_DEVICE_READ_ONLY', 3, /read-only/);
});

test.serial('an image that tells its size to nobody is stopped at the end of the disk', async (t) => {
  const image = await sampleImage();
  await execa('sh', ['-ec', 'rm card.img.bmap; gzip -1 card.img'], { cwd: image.directory });
  const { device, backing } = await card(t, image);
  await truncate(backing, 18 * MiB);
  await execa('losetup', ['--set-capacity', device]);
  const error = await fails(t, () => carryOut({ image: `${image.file}.gz`, device }), 'E_DEVICE_TOO_SMALL', 1, /has 18874368 bytes, the image has at least \d+.*not usable/);
  t.like(error.result, { usable: false });
  t.true((await read(device)).subarray(0, 4096).equals(Buffer.alloc(4096)));
});

test.serial('a disk in use is refused: mounted here, mounted where it cannot be seen, holding the image, the system itself', async (t) => {
  const image = await sampleImage();
  const { device } = await card(t, image);
  await execa('mkfs.ext4', ['-qF', device]);
  const mountPoint = path.join(image.directory, 'a mount');
  await mkdir(mountPoint);
  const options = { image: image.file, device };

  const hidden = execa('unshare', ['--mount', 'sh', '-ec', 'mount "$0" "$1"; echo ready; read -r _', device, mountPoint], { stdin: 'pipe' });
  await once(hidden.stdout, 'data');
  t.false((await readFile('/proc/self/mountinfo', 'utf8')).includes(device));
  await fails(t, () => carryOut(options), 'E_DEVICE_IN_USE', 3, /another mount namespace/);
  hidden.stdin.end('\n');
  await hidden;

  await mounted(t, [device], mountPoint);
  const error = await fails(t, () => carryOut(options), 'E_DEVICE_IN_USE', 3, /is mounted at .*a mount/);
  t.is(error.remedy, `sudo umount '${mountPoint}'`);
  const copy = path.join(mountPoint, 'small.img');
  await writeFile(copy, Buffer.alloc(4096, 1));
  await fails(t, () => carryOut({ image: copy, device }), 'E_DEVICE_HOLDS_IMAGE', 3, /lies on .*itself/);
  await execa('umount', [mountPoint]);

  const { stdout: root } = await execa('findmnt', ['--noheadings', '--output', 'SOURCE', '/']);
  if (statSync(root).isBlockDevice()) {
    // Only planned: the outcome of a mistake here would be this machine's end.
    const plan = () => planFlash(createContext(), { image: image.file, device: root, force: true });
    await fails(t, plan, /\d$/.test(root) ? 'E_DEVICE_PARTITION' : 'E_DEVICE_SYSTEM', 3, new RegExp(root));
  }
});

test.serial('a device that gives up in the middle is named with how far it came', async (t) => {
  const image = await sampleImage();
  const small = path.join(image.directory, 'tmpfs');
  await mkdir(small);
  await mounted(t, ['-t', 'tmpfs', '-o', 'size=5m', 'tmpfs'], small);
  const backing = path.join(small, 'backing');
  await writeFile(backing, '');
  await truncate(backing, cardBytes);
  const device = await loopDevice(t, backing);
  const error = await fails(t, () => carryOut({ image: image.file, device }), 'E_DEVICE_LOST', 1, /after \d+ of \d+ bytes \((EIO|ENOSPC)\).*not usable/);
  const { writtenBytes } = error.result as { writtenBytes: number };
  t.true(writtenBytes > 0 && writtenBytes < image.mappedBytes);
  await fails(t, () => carryOut({ image: image.file, device: path.join(small, 'new.img') }), 'E_DISK_FULL', 1, /no room/);
});

test.serial('what is read back is compared, and the first wrong place is named', async (t) => {
  const image = await sampleImage();
  const { device, backing } = await card(t, image);
  const spoil = (taskId: string, offset: number) => (event: ShipEvent) => {
    if (event.type !== 'task' || event.id !== taskId || event.state !== 'started') return;
    const file = openSync(backing, 'r+');
    writeSync(file, Buffer.from('spoilt'), 0, 6, offset);
    closeSync(file);
  };
  const work = () => carryOut({ image: image.file, device }, createContext({ emit: spoil('verify', 17 * MiB + 5000) }));
  const error = await fails(t, work, 'E_VERIFY_FAILED', 1, /4096 from 17829888 on.*not usable/);
  t.like(error.result, { firstWrongOffset: 17 * MiB + 4096, usable: false });
  t.true((await read(device)).subarray(0, 4096).equals(Buffer.alloc(4096)));
});

test.serial('Ctrl-C leaves a card without a partition table and says so; exit statuses of the command line', async (t) => {
  const image = await sampleImage();
  const { device } = await card(t, image);
  await execa('sh', ['-ec', 'head -c 24000000 /dev/urandom | xz -0 > big.img.xz'], { cwd: image.directory });
  const big = path.join(image.directory, 'big.img.xz');
  const child = execa(node, [entry, 'flash', big, device, '--force', '--yes', '--json'], { reject: false, env: { CI: '1' } });
  let stopped = false;
  for await (const line of child.iterable()) {
    if (line.includes('"type":"progress"') && !stopped) stopped = child.kill('SIGINT'); // and read on: who stops reading ends it, too
  }
  const interrupted = await child;
  t.is(interrupted.exitCode, 130);
  t.regex(interrupted.stderr, /not usable until it is flashed again/);
  t.true((await read(device)).subarray(0, 4096).equals(Buffer.alloc(4096)));

  const run = async (args: readonly string[], exitCode: number, code?: string) => {
    const outcome = await proseShip(['flash', ...args]);
    t.is(outcome.exitCode, exitCode, outcome.stderr);
    t.is((outcome.result['error'] as { code?: string } | undefined)?.code, code);
    return outcome.result;
  };
  const before = await sentBytes(device);
  await run([image.file, device, '--force'], 2, 'E_NOT_CONFIRMED');
  await run([image.file, device, '--yes'], 3, 'E_DEVICE_NOT_REMOVABLE');
  await run([image.file, path.join(image.directory, 'no', 'card'), '--yes'], 3, 'E_DEVICE_NOT_FOUND');
  t.like(await run([image.file, device, '--force', '--dry-run'], 0), { plan: { plannedBytes: image.mappedBytes, direct: true } });
  t.is(await sentBytes(device), before);
  t.like(await run([image.file, device, '--force', '--yes'], 0), { mappedBytes: image.mappedBytes, verifiedBytes: image.mappedBytes });
  t.true((await read(device)).subarray(0, 64 * 1024).equals(image.content.subarray(0, 64 * 1024)));
});
