import { connectOption, connectOptions, hostsArgument, onHosts, stealLock, stealLockOptions } from './host-verb.ts';
import type { HostOutcome } from '../../../ship/fleet/outcome.ts';
import { word, words, type Session, type Verb, type VerbOptions } from '../../verb.ts';

/** From which release to which; absent where there is none, or the host was not reached. */
interface Way {
  readonly from?: string;
  readonly to?: string;
}

export const rollback: Verb = {
  name: 'rollback',
  summary: 'return hosts to the release before, or to a kept one',
  arguments: [hostsArgument],
  options: [
    { flags: '--to <id>', description: 'the id of a kept release; `prose-ship status` lists them' },
    { flags: '--wave <hosts>', description: 'how many hosts are worked on at once (default: 8)' },
    ...stealLockOptions,
    connectOption,
  ],
  example: 'rollback pi@raspberrypi.local',
  run: async (session, args, options) => {
    const { rollbackTask, stealLockTasks } = await import('../../../ship/update.ts');
    const { describeOutcome, fleetResult } = await import('../../../ship/fleet/outcome.ts');
    const { planWaves } = await import('../../../ship/fleet/plan-waves.ts');
    const { visitConcurrency, visitHosts } = await import('../../../ship/fleet/visit-hosts.ts');
    const { readInventory } = await import('../../../ship/device.ts');
    const { hostsOf, siteIfAny } = await import('../../pipeline/site.ts');
    const { context } = session;
    const given = word(options['to']);
    const wave = word(options['wave']);
    planWaves([], { waveSize: Number(wave ?? visitConcurrency) }); // refuses what is no number of hosts
    if (session.dryRun) return { hosts: await showWays(session, words(args, 0), options) };
    const hosts = hostsOf(await siteIfAny(session), words(args, 0));
    const ways = new Map<string, Way>();
    const outcomes = await visitHosts(context, hosts, {
      connect: connectOptions(session, options),
      title: ({ name }) => `${name}: back to ${given ?? 'the release before'}`,
      concurrency: Number(wave ?? visitConcurrency),
      visit: async (device, report) => {
        ways.set(device.host.name, wayOf(await readInventory(device), given));
        await report.children([...stealLockTasks(context, device, stealLock(options)), rollbackTask(context, device, given)]);
        return 'returned';
      },
    });
    // Without --to, a second time is the way forth again: those that went back must not be named again.
    const failed = outcomes.filter(({ state }) => state !== 'returned').map(({ host }) => host);
    const remedy = `When the cause is gone, run it again for those alone: \`prose-ship rollback ${failed.join(' ')}${given === undefined ? '' : ` --to ${given}`}\`.`;
    const describe = (outcome: HostOutcome) => ({ ...describeOutcome(outcome), ...ways.get(outcome.host) });
    return fleetResult(outcomes, { describe, wasInterrupted: context.signal.aborted, remedy });
  },
};

function wayOf({ currentId, previousId }: { readonly currentId?: string; readonly previousId?: string }, given: string | undefined): Way {
  const to = given ?? previousId;
  return { ...(currentId === undefined ? {} : { from: currentId }), ...(to === undefined ? {} : { to }) };
}

async function showWays(session: Session, names: readonly string[], options: VerbOptions): Promise<readonly object[]> {
  const { readInventory } = await import('../../../ship/device.ts');
  return onHosts(session, names, options, async (device, { name }) => {
    const way = wayOf(await readInventory(device), word(options['to']));
    session.print(`${name}: ${way.from ?? 'nothing'} -> ${way.to ?? 'nothing to return to'}`);
    return { host: name, ...way };
  });
}
