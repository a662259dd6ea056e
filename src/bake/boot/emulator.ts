import { readFile, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { findProgram } from '../../host/engine/open-engine.ts';
import { run } from '../../host/process.ts';
import { connectQmp, type QmpClient } from '../../host/qemu/qmp.ts';
import { watchOver, type Watcher } from '../../host/qemu/watcher.ts';
import { emulatorOf, qemuSystem, type Machine } from './qemu.ts';

/** An emulator that runs in the background. */
export interface Emulator {
  readonly pid: number;
  /** `performance.now()` of the moment when its power came on. */
  readonly poweredOnAt: number;
  /** Aborted when it has ended. */
  readonly ended: AbortSignal;
  /** Asks the system to shut down, as the power button does. */
  pressPowerButton(): Promise<void>;
  /** As the reset button does: at once, and the memory is lost. */
  reset(): Promise<void>;
  /** Ends it at once. What the system did not flush to its card is lost, as with the plug pulled. */
  kill(): Promise<void>;
  /** Forgets it, and leaves it running. */
  detach(): Promise<void>;
}

const startsWithinMs = 60_000;
const diesWithinMs = 10_000;

/** @throws ShipError E_QEMU_MISSING (exit status 3) when one of the programs that boot this platform is not installed */
export async function requireEmulator(context: Context, machine: Pick<Machine, 'platform'>): Promise<void> {
  for (const program of [emulatorOf(machine.platform) ?? '', 'qemu-img']) {
    if ((await findProgram(context, program)) !== undefined) continue;
    throw new ShipError({
      code: 'E_QEMU_MISSING',
      message: `The emulator that boots images is not installed: there is no '${program}'`,
      remedy: 'Run `prose-ship doctor --fix --for cards`, or install qemu-system-arm and qemu-utils by hand.',
      exitStatus: ExitStatus.preflight,
    });
  }
}

/**
 * Powers a machine on, in the background. Whoever calls this ends it; if this process is killed before, it ends as well, unless
 * it was detached.
 * @throws ShipError E_QEMU_FAILED with what QEMU said, E_INTERRUPTED
 */
export async function powerOn(context: Context, machine: Machine): Promise<Emulator> {
  context.signal.throwIfAborted();
  // Not ended half-way: between its two processes QEMU could not be told from one that has started.
  const uninterrupted = { ...context, signal: new AbortController().signal };
  await rm(machine.pidFile, { force: true }); // of an earlier run that was killed
  const watcher = watchOver(context, machine.pidFile);
  const poweredOnAt = performance.now();
  try {
    await run(uninterrupted, qemuSystem(machine), { timeoutMs: startsWithinMs });
    const qmp = await connectQmp(machine.qmpSocket);
    return createEmulator(await readPid(machine.pidFile), poweredOnAt, qmp, watcher);
  } catch (cause) {
    killQuietly(await readPid(machine.pidFile).catch(() => undefined));
    await watcher.release();
    if (!(cause instanceof ShipError) || cause.code !== 'E_COMMAND_FAILED') throw cause;
    throw new ShipError({
      code: 'E_QEMU_FAILED',
      message: 'QEMU does not start the machine',
      remedy: 'Its last line says why; `--port` and `--memory` change what it may collide with.',
      ...(cause.output ? { output: cause.output } : {}),
      cause,
    });
  }
}

function createEmulator(pid: number, poweredOnAt: number, qmp: QmpClient, watcher: Watcher): Emulator {
  const release = (): void => void watcher.release();
  if (qmp.ended.aborted) release();
  else qmp.ended.addEventListener('abort', release, { once: true });
  return {
    pid,
    poweredOnAt,
    ended: qmp.ended,
    pressPowerButton: () => qmp.execute('system_powerdown'),
    reset: () => qmp.execute('system_reset'),
    async kill() {
      if (qmp.ended.aborted) return; // the process id may be another's by now
      killQuietly(pid);
      await untilAborted(qmp.ended, diesWithinMs);
    },
    async detach() {
      qmp.close();
      await watcher.release();
    },
  };
}

/** Waits for a signal, at most so long; whether it came. */
export async function untilAborted(signal: AbortSignal, timeoutMs: number): Promise<boolean> {
  await delay(timeoutMs, undefined, { signal }).catch(() => {});
  return signal.aborted;
}

async function readPid(file: string): Promise<number> {
  const pid = Number(await readFile(file, 'utf8'));
  if (!Number.isInteger(pid) || pid <= 1) throw new ShipError({ code: 'E_QEMU_FAILED', message: `${file} holds no process id` });
  return pid;
}

function killQuietly(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}
