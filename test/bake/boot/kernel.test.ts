import test from 'ava';
import { newestDebianKernel } from '../../../src/bake/boot/image-kernel.ts';
import { kernelParameters } from '../../../src/bake/boot/kernel.ts';

test('of cmdline.txt that stays which belongs to no hardware and to no boot loader', (t) => {
  const cmdline = 'console=serial0,115200 console=tty1 root=PARTUUID=1234abcd-02 rootfstype=ext4 fsck.repair=yes rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot cgroup_enable=memory ds=nocloud;i=1\n';
  t.is(kernelParameters('UUID=1', cmdline, {}), 'root=UUID=1 rootfstype=ext4 rw console=ttyAMA0 fsck.repair=yes cgroup_enable=memory ds=nocloud;i=1');
});

test('a first-boot script for systemd does not run at every boot', (t) => {
  const cmdline = 'systemd.run=/boot/firstrun.sh systemd.run_success_action=reboot systemd.unit=kernel-command-line.target systemd.mask=x';
  t.is(kernelParameters('UUID=1', cmdline, { modulesFile: '/m' }), 'root=UUID=1 rootfstype=ext4 rw console=ttyAMA0 fsck.repair=yes prose_ship.modules=LABEL=prose-modules systemd.mask=x');
});

test('the newest kernel of Debian that has an initramfs', (t) => {
  const files = (...versions: string[]) => new Set(versions.flatMap((version) => [`boot/vmlinuz-${version}`, `boot/initrd.img-${version}`]));
  t.is(newestDebianKernel(files('6.1.0-9-arm64', '6.1.0-10-arm64')), '6.1.0-10-arm64');
  t.is(newestDebianKernel(files('6.12.9-armmp', '6.12.47+rpt-rpi-v8', '6.12.47+rpt-rpi-2712')), '6.12.9-armmp');
  t.is(newestDebianKernel(files('6.12.47+rpt-rpi-v8')), undefined);
  t.is(newestDebianKernel(new Set(['boot/vmlinuz-6.1.0-9-arm64'])), undefined);
});
