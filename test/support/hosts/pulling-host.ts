import type { ExecutionContext } from 'ava';
import { proseShip, type CommandLineResult } from '../command-line.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { createThrowawayHost, type ThrowawayHost } from './throwaway-host.ts';

export const stores = ['overlay2', 'containerd'] as const;

/** A throw-away host called `pulls` with the updater on it, and the command line that reaches it. */
export interface PullingHost {
  readonly host: ThrowawayHost;
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly ship: (...args: string[]) => Promise<CommandLineResult>;
}

export async function pullingHost(t: ExecutionContext, store: (typeof stores)[number]): Promise<PullingHost> {
  const host = await createThrowawayHost({ name: 'pulls', store });
  const environment = { PROSE_SHIP_SSH_CONFIG: host.sshConfigFile };
  const cwd = await temporaryDirectory('registry-transport');
  const ship = (...args: string[]) => proseShip(args, { environment, cwd });
  const { exitCode, stderr } = await ship('provision', 'pulls');
  t.is(exitCode, 0, stderr);
  return { host, environment, cwd, ship };
}

/** What the task that pulled said at its end. */
export function pulled(t: ExecutionContext, { exitCode, stdout, stderr }: CommandLineResult): string {
  t.is(exitCode, 0, stderr);
  return /"title":"Pull images through the tunnel","state":"(?:done|skipped)"[^\n]*?"detail":"([^"]*)"/.exec(stdout)?.[1] ?? stdout;
}

/** Addresses and ports that something on the host listens on. */
export async function listeners(host: ThrowawayHost): Promise<readonly string[]> {
  return (await host.exec('ss -Hltn')).stdout.split('\n').map((line) => line.trim().split(/\s+/)[3] ?? '').sort();
}
