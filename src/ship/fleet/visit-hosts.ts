import type { Context } from '../../context.ts';
import { ExitStatus } from '../../errors.ts';
import type { ConnectOptions } from '../../host/ssh/connection.ts';
import type { Host } from '../../site/model.ts';
import { runTasksInParallel, type TaskReport } from '../../tasks.ts';
import { withDevice, type Device } from '../device.ts';
import { asShipError, stateText, type HostOutcome, type HostState } from './outcome.ts';

/** Hosts that are worked on at once, unless somebody says otherwise. */
export const visitConcurrency = 8;

export interface Visits {
  readonly connect: ConnectOptions;
  readonly title: (host: Host) => string;
  /** What is done on a host; whatever it throws is that host's failure. */
  readonly visit: (device: Device, report: TaskReport) => Promise<HostState>;
  /** How many hosts at once; default 8. */
  readonly concurrency?: number;
}

/**
 * Does the same on every host, each with a task and a login of its own. Hosts do not depend on each other here, so a
 * failure keeps no other from its turn; once the context is aborted none is begun. Gives the outcome of every host, in
 * the order given; nothing is thrown.
 */
export async function visitHosts(context: Context, hosts: readonly Host[], { connect, title, visit, concurrency = visitConcurrency }: Visits): Promise<readonly HostOutcome[]> {
  const outcomes = new Map(hosts.map(({ name }): [string, HostOutcome] => [name, { host: name, state: 'not-started' }]));
  const tasks = hosts.map((host) => ({
    id: host.name,
    title: title(host),
    run: async (report: TaskReport) => {
      try {
        const state = await withDevice(context, host, connect, (device) => visit(device, report));
        outcomes.set(host.name, { host: host.name, state });
        report.detail(stateText(state));
      } catch (thrown) {
        const error = asShipError(thrown);
        outcomes.set(host.name, { host: host.name, state: error.exitStatus === ExitStatus.rolledBack ? 'rolled-back' : 'failed', error });
        throw error;
      }
    },
  }));
  await runTasksInParallel(context, tasks, { concurrency, afterFailure: 'go-on' }).catch(() => {}); // what failed stands in the outcomes
  return [...outcomes.values()];
}
