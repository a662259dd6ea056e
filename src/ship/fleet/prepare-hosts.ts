import pLimit from 'p-limit';
import type { Context } from '../../context.ts';
import type { ConnectOptions } from '../../host/ssh/connection.ts';
import type { Release } from '../../release/read-release.ts';
import type { Host } from '../../site/model.ts';
import { openDevice, type OpenDevice } from '../device.ts';
import type { PreflightOptions } from '../preflight.ts';
import { checkHost, prepareUpdate, type PreparedUpdate } from '../update.ts';
import { asShipError, rethrowBug, type HostOutcome } from './outcome.ts';

/** A host that can be updated. */
export interface ReadyHost {
  readonly host: Host;
  readonly prepared: PreparedUpdate;
  /** The login, where it was kept. */
  readonly device?: OpenDevice;
}

export interface Readiness {
  readonly ready: readonly ReadyHost[];
  readonly unready: readonly HostOutcome[];
}

export interface Preparation {
  readonly release: Release;
  readonly connect: ConnectOptions;
  /** Hosts that come first: their logins stay open, so that they are not asked twice. The caller closes them. */
  readonly keepOpen: ReadonlySet<string>;
  /** Absent: a plan is made, and whether it can be carried out is not asked. */
  readonly preflight?: PreflightOptions;
}

/** Logins at the same time: enough to hide the links' delays, few enough for one laptop. */
const concurrency = 8;

/** Asks all hosts whether they can be updated; nothing there is touched. Ends early when the context is aborted. */
export async function prepareHosts(context: Context, hosts: readonly Host[], preparation: Preparation): Promise<Readiness> {
  const limit = pLimit(concurrency);
  const ready: ReadyHost[] = [];
  const unready: HostOutcome[] = [];
  const prepare = async (host: Host) => {
    if (context.signal.aborted) return;
    try {
      ready.push(await prepareHost(context, host, preparation));
    } catch (error) {
      unready.push({ host: host.name, state: 'not-started', error: asShipError(error) });
    }
  };
  await Promise.all(hosts.map((host) => limit(() => prepare(host))));
  try {
    context.signal.throwIfAborted();
    rethrowBug(unready);
  } catch (error) {
    await closeDevices(ready);
    throw error;
  }
  const position = new Map(hosts.map(({ name }, at) => [name, at]));
  const inOrder = (one: string, other: string) => (position.get(one) ?? 0) - (position.get(other) ?? 0);
  return {
    ready: ready.sort((one, other) => inOrder(one.host.name, other.host.name)),
    unready: unready.sort((one, other) => inOrder(one.host, other.host)),
  };
}

async function prepareHost(context: Context, host: Host, { release, connect, keepOpen, preflight: checks }: Preparation): Promise<ReadyHost> {
  const device = await openDevice(context, host, { ...connect, asksInventory: true });
  let keep = false;
  try {
    const prepared = await prepareUpdate(device, release);
    if (checks) await checkHost(device, prepared, checks);
    keep = keepOpen.has(host.name);
    return keep ? { host, prepared, device } : { host, prepared };
  } finally {
    if (!keep) await device.close();
  }
}

export async function closeDevices(hosts: readonly ReadyHost[]): Promise<void> {
  await Promise.all(hosts.map(async ({ device }) => device?.close()));
}
