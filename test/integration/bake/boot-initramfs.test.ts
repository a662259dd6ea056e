import { access, readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { provideBootKit } from '../../../src/bake/boot/boot-kit.ts';
import { bootDevice, type BootOptions, type BootedDevice } from '../../../src/bake/boot/device.ts';
import { createContext } from '../../../src/context.ts';
import { ShipError } from '../../../src/errors.ts';
import { parsePlatform } from '../../../src/oci/platform.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { makeTinyCard } from '../../support/cards/tiny-card.ts';

const arm64 = parsePlatform('linux/arm64')!;
/** Kits stay in the ordinary cache; cards go into folders of the tests. */
const kit = await provideBootKit(createContext(), arm64);

async function boot(t: ExecutionContext, init: string, options: Partial<BootOptions> = {}): Promise<{ device: BootedDevice; cache: string }> {
  const cache = await temporaryDirectory('boot');
  const imageFile = makeTinyCard(await temporaryDirectory('tiny'), { initrdFile: kit.initrdFile, init });
  const context = createContext({ cacheDirectory: cache });
  const device = await bootDevice(context, { imageFile, platform: arm64, kernel: kit, memoryMiB: 512, timeoutMs: 180_000, ...options });
  t.teardown(() => device.destroy());
  return { device, cache };
}

test.serial('the kit mounts the root file system, lays its modules over it and starts init', async (t) => {
  const init = `/bin/busybox echo "marker: $(/bin/busybox grep -c ext4 /proc/mounts) $(/bin/busybox ls -d /lib/modules/*-arm64) $(/bin/busybox cat /proc/cmdline)"
/bin/busybox modprobe nf_tables && /bin/busybox echo loaded
/bin/busybox poweroff -f`;
  const { device, cache } = await boot(t, init, { parameters: 'panic=7 console=tty1 root=/dev/mmcblk0p2' });
  t.true(await device.waitForEnd(180_000), await device.consoleTail());
  const console = await device.consoleTail();
  t.regex(console, /^marker: 2 \/lib\/modules\/\d+\.\d+\S+-arm64 root=UUID=11111111-2222-3333-4444-555555555555 rootfstype=ext4 rw console=ttyAMA0 fsck.repair=yes prose_ship.modules=LABEL=prose-modules panic=7$/m);
  t.regex(console, /^loaded$/m);
  const error = await t.throwsAsync(device.waitForSsh(), { instanceOf: ShipError });
  t.is(error.code, 'E_BOOT_ENDED');
  await device.destroy();
  t.deepEqual(await readdir(path.join(cache, 'boot')), []);
});

test.serial('a root that is not there ends the wait at once, with the end of the console', async (t) => {
  const { device } = await boot(t, 'true', { parameters: 'rootdelay=1 prose_ship.modules=LABEL=nowhere' });
  const startedAt = performance.now();
  const error = await t.throwsAsync(device.waitForSsh(), { instanceOf: ShipError });
  t.is(error.code, 'E_BOOT_PANIC');
  t.is(error.message, 'The image does not boot: LABEL=nowhere did not show up within 1 s');
  t.regex(error.output ?? '', /^initramfs: block devices: .*vda vda1 vda2/m);
  t.true(performance.now() - startedAt < 120_000);
});

test.serial('pulling the plug loses what was not flushed and keeps what was', async (t) => {
  const init = `if [ -e /flushed ]; then
  /bin/busybox echo "second boot: $(/bin/busybox ls / | /bin/busybox grep -c flushed)"
else
  /bin/busybox touch /flushed && /bin/busybox sync
  /bin/busybox touch /unflushed && /bin/busybox echo first boot
fi
while :; do /bin/busybox sleep 1; done`;
  const { device } = await boot(t, init);
  await device.waitForConsole(/^first boot$/m);
  await device.powerCut();
  t.false(device.isOn);
  await device.powerOn();
  t.is(await device.waitForConsole(/^second boot: \d+$/m), 'second boot: 1');
  await device.reset();
  await device.waitForConsole(/^second boot: 1$[^]*^second boot: 1$/m);
});

test.serial('an interrupted boot leaves neither emulator nor card', async (t) => {
  const cache = await temporaryDirectory('boot');
  const imageFile = makeTinyCard(await temporaryDirectory('tiny'), { initrdFile: kit.initrdFile, init: 'while :; do /bin/busybox sleep 1; done' });
  const stopping = new AbortController();
  const context = createContext({ cacheDirectory: cache, signal: stopping.signal });
  const device = await bootDevice(context, { imageFile, platform: arm64, kernel: kit, memoryMiB: 512 });
  const waiting = device.waitForSsh();
  await delay(500);
  stopping.abort();
  await t.throwsAsync(waiting);
  await device.destroy();
  t.false(device.isOn);
  t.deepEqual(await readdir(path.join(cache, 'boot')), []);
  await t.throwsAsync(access(device.directory), { code: 'ENOENT' });
});

test.serial('what cannot be booted is refused before anything starts', async (t) => {
  const cacheDirectory = await temporaryDirectory('boot');
  const imageFile = makeTinyCard(await temporaryDirectory('tiny'), { initrdFile: kit.initrdFile, init: 'true' });
  const refusal = async (options: Partial<BootOptions>, environment = process.env) =>
    t.throwsAsync(bootDevice(createContext({ cacheDirectory, environment }), { imageFile, kernel: kit, ...options }), { instanceOf: ShipError });

  const missing = await refusal({}, { ...process.env, PATH: '/nonexistent' });
  t.like(missing, { code: 'E_QEMU_MISSING', exitStatus: 3 });
  t.regex(missing.remedy ?? '', /prose-ship doctor --fix/);
  const foreign = await refusal({ platform: parsePlatform('linux/amd64')! });
  t.like(foreign, { code: 'E_NOT_BOOTABLE', exitStatus: 3, message: "'tiny.img' is for linux/amd64, which prose-ship boots no image of" });
  t.like(await refusal({ imageFile: kit.kernelFile }), { code: 'E_NOT_AN_OS_IMAGE', exitStatus: 2 });
  t.deepEqual(await readdir(path.join(cacheDirectory, 'boot')), []);
});
