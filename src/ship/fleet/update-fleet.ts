import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { ConnectOptions } from '../../host/ssh/connection.ts';
import type { Release } from '../../release/read-release.ts';
import type { Host } from '../../site/model.ts';
import type { TaskReport } from '../../tasks.ts';
import { SharedArchives } from '../archives/shared-archives.ts';
import { openDevice, withDevice } from '../device.ts';
import type { UpdatePlan } from '../plan-update.ts';
import { prepareUpdate, rollbackTask, updateTasks, type UpdateOptions } from '../update.ts';
import { notReadyError, type HostOutcome } from './outcome.ts';
import { planWaves, type WaveOptions } from './plan-waves.ts';
import { closeDevices, prepareHosts, type ReadyHost } from './prepare-hosts.ts';
import { runWaves, type HostWork } from './run-waves.ts';

export interface FleetUpdate extends UpdateOptions, WaveOptions {
  readonly hosts: readonly Host[];
  readonly release: Release;
  /** False: the release is brought there, and nothing is started. */
  readonly rollout: boolean;
  readonly connect: ConnectOptions;
  /** Leave out hosts that cannot be updated now, in place of refusing all. */
  readonly skipUnready?: boolean;
  /** After a failure, return the hosts that were updated to the release that they had. */
  readonly revertOnFailure?: boolean;
  /** How a host's task is called. */
  readonly title: (plan: UpdatePlan) => string;
  /** All hosts have answered, or have not. */
  readonly onPrepared?: () => void;
}

/** The outcome of a host, with the plan that was made for it; absent where none could be made. */
export type ShippedOutcome = HostOutcome & { readonly plan?: UpdatePlan };

/**
 * Asks all hosts first, then updates them in waves. What fails on a host is told in its outcome.
 * @throws ShipError E_HOSTS_NOT_READY (exit status 3; a single host's own error) before anything was touched anywhere
 */
export async function updateFleet(context: Context, fleet: FleetUpdate): Promise<readonly ShippedOutcome[]> {
  const [firstWave = []] = planWaves(fleet.hosts.map(({ name }) => name), fleet);
  const { release, connect } = fleet;
  const { ready, unready } = await prepareHosts(context, fleet.hosts, { release, connect, keepOpen: new Set(firstWave), preflight: fleet });
  fleet.onPrepared?.();
  try {
    refuseUnready(fleet, ready, unready);
    for (const { host, error } of unready) {
      context.emit({ type: 'log', level: 'warning', message: `${host} is left out: ${error?.message ?? ''}` });
    }
    const waves = planWaves(ready.map(({ host }) => host.name), fleet);
    const outcomes = await runWaves(context, waves, hostWork(context, { ...fleet, archives: new SharedArchives() }, ready));
    const plans = new Map(ready.map(({ prepared: { plan } }) => [plan.host, plan]));
    return [...outcomes, ...unready].map((outcome) => {
      const plan = plans.get(outcome.host);
      return plan ? { ...outcome, plan } : outcome;
    });
  } finally {
    await closeDevices(ready);
  }
}

function refuseUnready({ hosts, skipUnready, canaries = [] }: FleetUpdate, ready: readonly ReadyHost[], unready: readonly HostOutcome[]): void {
  const isRefused = !skipUnready || ready.length === 0 || unready.some(({ host }) => canaries.includes(host));
  if (unready.length > 0 && isRefused) throw notReadyError(unready, hosts.length);
}

function hostWork(context: Context, fleet: FleetUpdate, hosts: readonly ReadyHost[]): HostWork {
  const find = (name: string) => {
    const found = hosts.find(({ host }) => host.name === name);
    if (!found) throw new Error(`unreachable: ${name} was prepared`);
    return found;
  };
  // Whether to trust a host key was asked when the hosts were prepared.
  const { acceptHostKey } = fleet.connect;
  const connect = acceptHostKey === undefined ? {} : { acceptHostKey };
  return {
    title: (name) => fleet.title(find(name).prepared.plan),
    update: (name, report) => updateHost(context, fleet, connect, find(name), report),
    ...(fleet.revertOnFailure && fleet.rollout
      ? {
          revert: async (name, report) => {
            const { host, prepared: { plan } } = find(name);
            const before = plan.current?.id;
            if (before === undefined) throw nothingBefore(name);
            await withDevice(context, host, connect, (device) => report.children([rollbackTask(context, device, before)]));
          },
        }
      : {}),
  };
}

async function updateHost(context: Context, fleet: FleetUpdate, connect: ConnectOptions, ready: ReadyHost, report: TaskReport): Promise<'updated' | 'pushed' | 'unchanged'> {
  const device = ready.device ?? (await openDevice(context, ready.host, { ...connect, asksInventory: true }));
  try {
    // A host whose turn comes late may have changed since it was asked.
    const prepared = ready.device ? ready.prepared : await prepareUpdate(device, fleet.release);
    await report.children(updateTasks(context, device, fleet.release, prepared, fleet));
    const { plan } = prepared;
    if (plan.current?.id === plan.release || (!fleet.rollout && plan.isKept)) return 'unchanged';
    return fleet.rollout ? 'updated' : 'pushed';
  } finally {
    await device.close();
  }
}

function nothingBefore(host: string): ShipError {
  return new ShipError({
    code: 'E_ROLLBACK_IMPOSSIBLE',
    message: `${host} had no release before this one, so there is nothing to return to`,
    remedy: 'It goes on running the new release.',
    exitStatus: ExitStatus.failed,
  });
}
