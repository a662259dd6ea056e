import test from 'ava';
import { createOverlay, emulatorOf, qemuSystem, type Machine } from '../../../src/bake/boot/qemu.ts';
import { bootKitBuild } from '../../../src/bake/boot/boot-kit.ts';
import { formatCommand } from '../../../src/host/process.ts';
import { parsePlatform } from '../../../src/oci/platform.ts';

const machine: Machine = {
  platform: parsePlatform('linux/arm64')!,
  kernel: { name: 'kit', kernelFile: '/kit/vmlinuz', initrdFile: '/kit/initrd', modulesFile: '/kit/modules.img' },
  kernelParameters: 'root=UUID=1 rw',
  overlayFile: '/cards/a,b/card.qcow2',
  memoryMiB: 1024,
  cpus: 2,
  sshPort: 2222,
  internet: false,
  consoleFile: '/cards/a,b/console.log',
  qmpSocket: '/cards/qmp',
  pidFile: '/cards/qemu.pid',
};

test('an arm64 machine: no network, a drive for modules, commas doubled', (t) => {
  t.is(
    formatCommand(qemuSystem(machine)),
    'qemu-system-aarch64 -nodefaults -display none -machine virt -cpu cortex-a72 -accel tcg,thread=multi -smp 2 -m 1024' +
      " -kernel /kit/vmlinuz -initrd /kit/initrd -append 'root=UUID=1 rw'" +
      ' -drive if=none,id=card,file=/cards/a,,b/card.qcow2,format=qcow2 -device virtio-blk-pci,drive=card' +
      ' -drive if=none,id=modules,file=/kit/modules.img,format=raw,readonly=on -device virtio-blk-pci,drive=modules' +
      ' -netdev user,id=network,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22 -device virtio-net-pci,netdev=network,romfile=' +
      ' -device virtio-rng-pci -chardev file,id=console,path=/cards/a,,b/console.log -serial chardev:console' +
      ' -qmp unix:/cards/qmp,server=on,wait=off -pidfile /cards/qemu.pid -daemonize',
  );
});

test('an armv7 machine with a kernel of its own and the network', (t) => {
  const platform = parsePlatform('linux/arm/v7')!;
  const kernel = { name: 'own', kernelFile: '/k', initrdFile: '/i' };
  t.is(
    formatCommand(qemuSystem({ ...machine, platform, kernel, internet: true, overlayFile: '/c', consoleFile: '/l' })),
    'qemu-system-arm -nodefaults -display none -machine virt,highmem=off -cpu cortex-a15 -accel tcg,thread=multi -smp 2 -m 1024' +
      " -kernel /k -initrd /i -append 'root=UUID=1 rw'" +
      ' -drive if=none,id=card,file=/c,format=qcow2 -device virtio-blk-pci,drive=card' +
      ' -netdev user,id=network,restrict=off,hostfwd=tcp:127.0.0.1:2222-:22 -device virtio-net-pci,netdev=network,romfile=' +
      ' -device virtio-rng-pci -chardev file,id=console,path=/l -serial chardev:console' +
      ' -qmp unix:/cards/qmp,server=on,wait=off -pidfile /cards/qemu.pid -daemonize',
  );
});

test('platforms without an emulator', (t) => {
  t.is(emulatorOf(parsePlatform('linux/amd64')!), undefined);
});

test('the overlay leaves the image as it is', (t) => {
  t.is(formatCommand(createOverlay('/i.img', '/c.qcow2', 8192)), 'qemu-img create -q -f qcow2 -b /i.img -F raw /c.qcow2 8192');
});

test('a boot kit is built natively, with the base and the mirror of the bootstrap', (t) => {
  const base = { kind: 'bootstrap', reference: 'debian:trixie-slim', directory: '/b', tag: 't', suite: 'trixie', aptSourcesFile: '/b/apt', isCached: true } as const;
  const { args, env } = bootKitBuild({ platform: machine.platform, base, outputDirectory: '/o', dockerHost: 'unix:///d' });
  const dockerfile = args[args.indexOf('--file') + 1]!;
  t.regex(dockerfile, /\/dockerfiles\/boot-kit\.Dockerfile$/);
  t.deepEqual(args, [
    ...['buildx', 'build', '--progress=plain', '--provenance=false', '--sbom=false', '--platform', 'linux/arm64', '--file', dockerfile],
    ...['--build-arg', 'SOURCE_DATE_EPOCH=1735689600', '--build-context', 'debian:trixie-slim=oci-layout:///b:t'],
    ...['--secret', 'id=apt-sources,src=/b/apt', '--output', 'type=local,dest=/o', dockerfile.replace('boot-kit.Dockerfile', 'os-image/initramfs')],
  ]);
  t.deepEqual(env, { DOCKER_HOST: 'unix:///d' });
});
