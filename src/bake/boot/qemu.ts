import type { Command } from '../../host/process.ts';
import { formatPlatform, type Platform } from '../../oci/platform.ts';
import type { Kernel } from './kernel.ts';

/** A machine that QEMU emulates; everything that its command line depends on. */
export interface Machine {
  readonly platform: Platform;
  readonly kernel: Kernel;
  readonly kernelParameters: string;
  /** The card: a copy-on-write overlay. */
  readonly overlayFile: string;
  readonly memoryMiB: number;
  readonly cpus: number;
  /** Of 127.0.0.1; leads to the machine's port 22. */
  readonly sshPort: number;
  /** Whether it may reach the network; it always has one, with a DHCP server. */
  readonly internet: boolean;
  /** Receives what the machine writes to its serial console. */
  readonly consoleFile: string;
  readonly qmpSocket: string;
  readonly pidFile: string;
}

interface Model {
  readonly program: string;
  readonly args: readonly string[];
}

/**
 * QEMU's `virt` machines: Raspberry Pi ones lack the network and more than one gigabyte. `highmem=off` keeps the PCI bus
 * below 4 GiB, where a kernel without LPAE (Debian's armmp) can see it.
 */
const models: Readonly<Record<string, Model>> = {
  'linux/arm64': { program: 'qemu-system-aarch64', args: ['-machine', 'virt', '-cpu', 'cortex-a72'] },
  'linux/arm/v7': { program: 'qemu-system-arm', args: ['-machine', 'virt,highmem=off', '-cpu', 'cortex-a15'] },
};

/** The emulator of a platform; undefined where no image can be booted. */
export function emulatorOf(platform: Platform): string | undefined {
  return models[formatPlatform(platform)]?.program;
}

/** Starts the machine in the background; returns when it runs, or fails with what is wrong. */
export function qemuSystem(machine: Machine): Command {
  const { kernel } = machine;
  const model = models[formatPlatform(machine.platform)];
  if (!model) throw new Error(`no emulator for ${formatPlatform(machine.platform)}`);
  return {
    program: model.program,
    args: [
      ...['-nodefaults', '-display', 'none'],
      ...model.args,
      ...['-accel', 'tcg,thread=multi'],
      ...['-smp', String(machine.cpus), '-m', String(machine.memoryMiB)],
      ...['-kernel', kernel.kernelFile, '-initrd', kernel.initrdFile, '-append', machine.kernelParameters],
      ...drive('card', { file: machine.overlayFile, format: 'qcow2' }),
      ...(kernel.modulesFile ? drive('modules', { file: kernel.modulesFile, format: 'raw', readonly: 'on' }) : []),
      '-netdev',
      `user,id=network,restrict=${machine.internet ? 'off' : 'on'},hostfwd=tcp:127.0.0.1:${machine.sshPort}-:22`,
      ...['-device', 'virtio-net-pci,netdev=network,romfile='], // nothing is booted from the network
      ...['-device', 'virtio-rng-pci'],
      ...['-chardev', `file,id=console,path=${escaped(machine.consoleFile)}`, '-serial', 'chardev:console'],
      ...['-qmp', `unix:${escaped(machine.qmpSocket)},server=on,wait=off`],
      ...['-pidfile', machine.pidFile, '-daemonize'],
    ],
  };
}

/** Drives appear in this order: /dev/vda, /dev/vdb. */
function drive(id: string, options: Readonly<Record<string, string>>): readonly string[] {
  const fields = Object.entries(options).map(([name, value]) => `${name}=${escaped(value)}`);
  return ['-drive', ['if=none', `id=${id}`, ...fields].join(','), '-device', `virtio-blk-pci,drive=${id}`];
}

/** In QEMU's option lists a comma is written twice. */
function escaped(value: string): string {
  return value.replaceAll(',', ',,');
}

/** A disk of `sizeBytes` that begins as `imageFile` and leaves it as it is. */
export function createOverlay(imageFile: string, overlayFile: string, sizeBytes: number): Command {
  return { program: 'qemu-img', args: ['create', '-q', '-f', 'qcow2', '-b', imageFile, '-F', 'raw', overlayFile, String(sizeBytes)] };
}
