import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { createOverlay } from '../../../src/bake/boot/qemu.ts';
import { createContext } from '../../../src/context.ts';
import { run } from '../../../src/host/process.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** A machine ends with the process that powered it on, even when that is killed. Needs Linux, qemu-system-aarch64; no root. */
const holder = path.resolve(import.meta.dirname, '../../support/machine-holder.ts');
/** `wfi; b -4`: as a kernel it costs no processor time. */
const idleKernel = Buffer.from('7f2003d5ffffff17', 'hex');

async function machineDirectory(): Promise<string> {
  const directory = await temporaryDirectory('machine');
  await writeFile(path.join(directory, 'kernel'), Buffer.concat([idleKernel, Buffer.alloc(4096)]));
  const image = path.join(directory, 'card.img');
  await writeFile(image, Buffer.alloc(65_536));
  await run(createContext(), createOverlay(image, path.join(directory, 'card.qcow2'), 65_536));
  return directory;
}

/** Runs the program until it has printed its process id's line, and then kills it. @returns the id */
async function holdAndKill(directory: string, mode: 'hold' | 'detach' | 'watch', whileItRuns: () => Promise<void> = () => Promise.resolve()): Promise<number> {
  const child = spawn(process.execPath, [holder, directory, mode], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const [line] = (await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended])) as [unknown];
  await whileItRuns();
  child.kill('SIGKILL');
  await ended;
  return Number(line);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Processes whose command line names the directory. */
async function processesOf(directory: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of (await readdir('/proc')).filter((one) => /^\d+$/.test(one))) {
    const line = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    if (line.includes(directory)) found.push(Number(name));
  }
  return found;
}

/** Waits until it holds, a minute at most. */
async function becomes(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let waited = 0; waited < 600; waited += 1) {
    if (await condition()) return true;
    await delay(100);
  }
  return false;
}

test('a machine ends when the process that powered it on is killed', async (t) => {
  const directory = await machineDirectory();
  let running: number[] = [];
  const pid = await holdAndKill(directory, 'hold', async () => {
    running = await processesOf(directory);
  });
  t.teardown(() => isAlive(pid) && process.kill(pid, 'SIGKILL'));
  t.true(running.includes(pid), 'it ran');
  t.true(await becomes(() => !isAlive(pid)));
  t.true(await becomes(async () => (await processesOf(directory)).length === 0), 'and nothing else is left');
});

test('a machine that was detached goes on, alone', async (t) => {
  const directory = await machineDirectory();
  const pid = await holdAndKill(directory, 'detach');
  try {
    t.true(await becomes(async () => (await processesOf(directory)).every((one) => one === pid)));
    t.true(isAlive(pid));
  } finally {
    process.kill(pid, 'SIGKILL');
  }
});

test('a process whose id is told only after the end of its owner is ended as well', async (t) => {
  const directory = await temporaryDirectory('machine');
  await holdAndKill(directory, 'watch');
  const late = spawn('sleep', ['600'], { stdio: 'ignore' });
  try {
    await writeFile(path.join(directory, 'qemu.pid'), `${late.pid}\n`);
    t.true(await becomes(() => late.signalCode === 'SIGKILL'));
  } finally {
    late.kill();
  }
});
