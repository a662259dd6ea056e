import path from 'node:path';
import { powerOn } from '../../src/bake/boot/emulator.ts';
import type { Machine } from '../../src/bake/boot/qemu.ts';
import { createContext } from '../../src/context.ts';
import { findFreePort } from '../../src/host/qemu/loopback.ts';
import { watchOver } from '../../src/host/qemu/watcher.ts';

/**
 * A program that is to be killed: `machine-holder.ts DIRECTORY hold|detach|watch`. It powers on a machine whose kernel only
 * waits (the files `kernel` and `card.img` of the directory), keeps it or lets it go, prints its process id, and stays. With
 * `watch` it only watches over whatever `qemu.pid` will name.
 */
const [directory = '', mode] = process.argv.slice(2);
const context = createContext();
const pidFile = path.join(directory, 'qemu.pid');

async function holdMachine(): Promise<number> {
  const machine: Machine = {
    platform: { os: 'linux', architecture: 'arm64' },
    kernel: { name: 'idle', kernelFile: path.join(directory, 'kernel'), initrdFile: path.join(directory, 'kernel') },
    kernelParameters: '',
    overlayFile: path.join(directory, 'card.qcow2'),
    memoryMiB: 64,
    cpus: 1,
    sshPort: await findFreePort(),
    internet: false,
    consoleFile: path.join(directory, 'console.log'),
    qmpSocket: path.join(directory, 'qmp'),
    pidFile,
  };
  const emulator = await powerOn(context, machine);
  if (mode === 'detach') await emulator.detach();
  return emulator.pid;
}

if (mode === 'watch') watchOver(context, pidFile);
process.stdout.write(`${mode === 'watch' ? 0 : await holdMachine()}\n`);
setInterval(() => {}, 60_000);
