import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Context } from '../context.ts';
import { ShipError } from '../errors.ts';
import { run } from '../host/process.ts';

/** A distribution as os-release(5) describes it. */
export interface Distribution {
  /** `debian`, `ubuntu`, `raspbian`, ... */
  readonly id: string;
  readonly versionId: string;
  /** `bookworm`; empty where the distribution has none. */
  readonly codename: string;
}

/** What decides how this machine can be fixed. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  /** Absent where there is no os-release. */
  readonly distribution?: Distribution;
  readonly isRoot: boolean;
  /** Whether `sudo -n` works without a password. */
  readonly canSudo: boolean;
  /** Whether systemd runs (sd_booted(3)), so that services are started by it. */
  readonly hasSystemd: boolean;
  /** Whether QEMU's user emulation is installed, with the lines that register it (binfmt.d(5)). */
  readonly hasQemu: boolean;
}

/** Reads os-release(5): shell-like assignments, values perhaps in quotes. */
export function parseOsRelease(text: string): Distribution | undefined {
  const value = (key: string): string => {
    const raw = new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';
    return raw.replace(/^(["'])(.*)\1$/, '$2');
  };
  const id = value('ID');
  return id ? { id, versionId: value('VERSION_ID'), codename: value('VERSION_CODENAME') } : undefined;
}

/** @throws ShipError E_INTERRUPTED */
export async function describeMachine(context: Context): Promise<Machine> {
  const distribution = parseOsRelease(await readFile('/etc/os-release', 'utf8').catch(() => ''));
  const isRoot = process.getuid?.() === 0;
  return {
    platform: process.platform,
    ...(distribution ? { distribution } : {}),
    isRoot,
    canSudo: isRoot || (await succeeds(context, 'sudo', '-n', 'true')),
    hasSystemd: existsSync('/run/systemd/system'),
    hasQemu: ['arm', 'aarch64'].every((name) => existsSync(`/usr/lib/binfmt.d/qemu-${name}.conf`)),
  };
}

/** Whether a program is there and ends with status 0. */
export async function succeeds(context: Context, program: string, ...args: string[]): Promise<boolean> {
  try {
    await run(context, { program, args }, { timeoutMs: 20_000 });
    return true;
  } catch (error) {
    if (error instanceof ShipError && error.code !== 'E_INTERRUPTED') return false;
    throw error;
  }
}
