import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from '../../context.ts';
import { devicePaths } from '../../device/files.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { RunResult } from '../../host/process.ts';
import { readSshBanner } from '../../host/qemu/loopback.ts';
import type { Connection, RemoteRunOptions } from '../../host/ssh/connection.ts';
import { prepareCard, type BootRequest, type Card } from './boot-card.ts';
import { bootProblem, consoleTail } from './console.ts';
import { powerOn, untilAborted, type Emulator } from './emulator.ts';
import { gateVerdict, parseStatus, type DeviceStatus } from './gate.ts';
import { logInToDevice, writeSshConfiguration } from './ssh-access.ts';

export interface BootOptions extends BootRequest {
  /** Private key to log in with; default: the agent and the keys of ssh_config. */
  readonly identityFile?: string;
  /** From power-on until ssh answers, and again until the gate has passed. Default ten minutes. */
  readonly timeoutMs?: number;
}

export interface HealthyDevice {
  readonly releaseId: string;
  /** Since power-on. */
  readonly healthyMs: number;
  readonly status: DeviceStatus;
}

const defaultTimeoutMs = 600_000;
const pollEveryMs = 500;
/** Until a login is possible, a system that is coming up refuses everybody (pam_nologin(8)). */
const refusedForMs = 60_000;
const shutdownWithinMs = 90_000;
const statusWithinMs = 60_000;
const bannerWithinMs = 5_000;

/**
 * Boots an image in QEMU, on a card of its own; the image stays as it is. It runs until `destroy`, or `detach`.
 * @throws ShipError E_NOT_AN_OS_IMAGE (2), E_NOT_BOOTABLE, E_QEMU_MISSING, E_BOOT_KIT (3), E_QEMU_FAILED, E_INTERRUPTED
 */
export async function bootDevice(context: Context, options: BootOptions): Promise<BootedDevice> {
  const card = await prepareCard(context, options);
  try {
    const user = options.user ?? card.user;
    const ssh = await writeSshConfiguration(context, {
      port: card.machine.sshPort,
      directory: card.directory,
      ...(user ? { user } : {}),
      ...(options.identityFile ? { identityFile: options.identityFile } : {}),
    });
    const emulator = await powerOn(context, card.machine);
    return new BootedDevice(context, { card, ssh, emulator, timeoutMs: options.timeoutMs ?? defaultTimeoutMs });
  } catch (error) {
    await card.remove();
    throw error;
  }
}

interface Parts {
  readonly card: Card;
  readonly ssh: { readonly file: string; readonly command: string };
  readonly emulator: Emulator;
  readonly timeoutMs: number;
}

/** A device whose plug we hold. */
export class BootedDevice {
  readonly port: number;
  /** Holds the card, the console's log and what ssh needs. */
  readonly directory: string;
  /** What somebody types to log in. */
  readonly sshCommand: string;
  readonly #context: Context;
  readonly #parts: Parts;
  #emulator: Emulator;

  constructor(context: Context, parts: Parts) {
    this.#context = context;
    this.#parts = parts;
    this.#emulator = parts.emulator;
    this.port = parts.card.machine.sshPort;
    this.directory = parts.card.directory;
    this.sshCommand = parts.ssh.command;
  }

  /** What somebody types to end a device that was left running. */
  get stopCommand(): string {
    return `kill ${this.#emulator.pid}; rm -r '${this.directory}'`;
  }

  get isOn(): boolean {
    return !this.#emulator.ended.aborted;
  }

  /**
   * Waits until a login works. @returns milliseconds since power-on
   * @throws ShipError E_BOOT_TIMEOUT, E_BOOT_PANIC, E_BOOT_ENDED (all with the console's last lines), E_AUTHENTICATION
   */
  async waitForSsh(): Promise<number> {
    let bannerAt: number | undefined;
    for (;;) {
      await this.#check('ssh does not answer');
      if (bannerAt === undefined && (await readSshBanner(this.port, bannerWithinMs))) bannerAt = performance.now();
      if (bannerAt !== undefined) {
        try {
          await (await this.connect()).close();
          return this.#elapsedMs();
        } catch (error) {
          if (!isTransient(error) || (isRefusal(error) && performance.now() - bannerAt > refusedForMs)) throw error;
        }
      }
      await this.#pause();
    }
  }

  /**
   * Waits until the release that the card holds runs and is healthy.
   * @throws ShipError E_GATE (exit status 4) when the updater gave it up, E_BOOT_TIMEOUT, E_BOOT_PANIC, E_BOOT_ENDED
   */
  async waitForGate(): Promise<HealthyDevice> {
    let connection: Connection | undefined;
    let reason = 'ssh does not answer';
    try {
      for (;;) {
        await this.#check(reason);
        try {
          connection ??= await this.connect();
          const status = await readStatus(connection);
          const verdict = gateVerdict(status);
          if (verdict.kind === 'healthy') return { releaseId: verdict.releaseId, healthyMs: this.#elapsedMs(), status };
          if (verdict.kind === 'failed') throw gateFailed(verdict.reason, await rolloutLog(connection));
          reason = verdict.reason;
        } catch (error) {
          if (!isTransient(error)) throw error;
          reason = (error as ShipError).message;
          await connection?.close();
          connection = undefined;
        }
        await this.#pause();
      }
    } finally {
      await connection?.close();
    }
  }

  /** Waits for text on the console of this boot. @throws ShipError as `waitForSsh` */
  async waitForConsole(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(await consoleTail(this.#parts.card.machine.consoleFile, Infinity));
      if (match) return match[0];
      await this.#check(`the console does not show ${String(pattern)}`);
      await this.#pause();
    }
  }

  /** Waits until the system has powered itself off. @returns whether it did in time */
  waitForEnd(timeoutMs: number): Promise<boolean> {
    return untilAborted(this.#emulator.ended, timeoutMs);
  }

  /** A login, which the caller closes. @throws ShipError of `connect` */
  connect(): Promise<Connection> {
    return logInToDevice(this.#context, this.#parts.ssh.file, `the booted image (port ${this.port})`);
  }

  /** Runs one command. @throws ShipError of `connect` and of `Connection.run` */
  async exec(command: readonly string[], options: RemoteRunOptions = {}): Promise<RunResult> {
    const connection = await this.connect();
    try {
      return await connection.run(command, options);
    } finally {
      await connection.close();
    }
  }

  /** Pulls the plug: what the system has not flushed is lost. */
  powerCut(): Promise<void> {
    return this.#emulator.kill();
  }

  /** Puts the plug in again, with the card as it is. */
  async powerOn(): Promise<void> {
    if (this.isOn) throw new Error('the device is on');
    this.#emulator = await powerOn(this.#context, this.#parts.card.machine);
  }

  reset(): Promise<void> {
    return this.#emulator.reset();
  }

  /** Shuts the system down in order. @throws ShipError E_BOOT_TIMEOUT when it does not end */
  async shutdown(): Promise<void> {
    if (!this.isOn) return;
    await this.#emulator.pressPowerButton();
    if (!(await this.waitForEnd(shutdownWithinMs))) throw await this.#failure('E_BOOT_TIMEOUT', 'The system does not shut down');
  }

  consoleTail(lines?: number): Promise<string> {
    return consoleTail(this.#parts.card.machine.consoleFile, lines);
  }

  /** Leaves it running when this process ends. */
  async detach(): Promise<void> {
    await this.#emulator.detach();
  }

  /** Ends it and removes its card. Twice is fine. */
  async destroy(): Promise<void> {
    await this.#emulator.kill();
    await this.#emulator.detach();
    await this.#parts.card.remove();
  }

  #elapsedMs(): number {
    return Math.round(performance.now() - this.#emulator.poweredOnAt);
  }

  async #pause(): Promise<void> {
    await delay(pollEveryMs, undefined, { signal: this.#context.signal }).catch(() => this.#context.signal.throwIfAborted());
  }

  /** Whether waiting still makes sense. */
  async #check(waitingFor: string): Promise<void> {
    this.#context.signal.throwIfAborted();
    const problem = await bootProblem(this.#parts.card.machine.consoleFile);
    if (problem) throw await this.#failure('E_BOOT_PANIC', `The image does not boot: ${problem}`);
    if (!this.isOn) throw await this.#failure('E_BOOT_ENDED', 'The system has powered itself off');
    const { timeoutMs } = this.#parts;
    if (this.#elapsedMs() > timeoutMs) {
      throw await this.#failure('E_BOOT_TIMEOUT', `The image is not up after ${timeoutMs / 1000} s: ${waitingFor}`);
    }
  }

  async #failure(code: ShipError['code'], message: string): Promise<ShipError> {
    const output = await this.consoleTail();
    return new ShipError({
      code,
      message,
      remedy:
        code === 'E_BOOT_TIMEOUT'
          ? 'Look at the end of its console; emulation is slow: a busy machine needs a longer `--timeout`.'
          : 'Look at the end of its console; `--keep` leaves the machine running to look into it.',
      ...(output ? { output } : {}),
    });
  }
}

/**
 * Asking for the status starts the engine's client, which keeps one of the emulated processors busy for seconds that the
 * boot then lacks. So before a release was committed it is only asked now and then.
 */
const untilReleased = `tries=0; until [ -L ${devicePaths.stateDirectory}/current ] || [ "$tries" -ge 60 ]; do tries=$((tries + 1)); sleep 0.5; done`;

async function readStatus(connection: Connection): Promise<DeviceStatus> {
  const present = await connection.run(['test', '-x', devicePaths.updater], { expect: [1] });
  if (present.exitCode !== 0) throw gateFailed('there is no updater in it', '');
  await connection.run(['sh', '-c', untilReleased], { timeoutMs: statusWithinMs });
  const { stdout } = await connection.run([devicePaths.updater, 'status'], { sudo: true, timeoutMs: statusWithinMs });
  return parseStatus(stdout);
}

/** What the updater said while it gave up: every error, and the end. */
async function rolloutLog(connection: Connection): Promise<string> {
  const script = `cd ${devicePaths.stateDirectory}/log && { cut -f 2- * | grep ^error; tail -n 20 *; } 2>&1`;
  const { stdout } = await connection.run(['sh', '-c', script], { sudo: true, expect: [1] });
  return stdout;
}

function gateFailed(reason: string, output: string): ShipError {
  return new ShipError({
    code: 'E_GATE',
    message: `The image boots, but its release does not run: ${reason}`,
    remedy: "Look at the updater's log; `prose-ship verify` checks the release, `--keep` leaves the machine running.",
    ...(output ? { output } : {}),
    exitStatus: ExitStatus.rolledBack,
  });
}

const transient = ['E_AUTHENTICATION', 'E_HOST_UNREACHABLE', 'E_CONNECTION_LOST', 'E_TIMEOUT', 'E_REMOTE_COMMAND_FAILED'];

/** What passes while a system comes up. */
function isTransient(error: unknown): boolean {
  return error instanceof ShipError && transient.includes(error.code);
}

function isRefusal(error: unknown): boolean {
  return error instanceof ShipError && error.code === 'E_AUTHENTICATION';
}
