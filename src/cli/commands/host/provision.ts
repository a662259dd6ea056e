import { connectOption, connectOptions, hostsArgument, onHosts } from './host-verb.ts';
import { words, type Verb } from '../../verb.ts';

export const provision: Verb = {
  name: 'provision',
  summary: 'make existing Raspberry Pi OS or Debian hosts ready: engine, directories, updater',
  arguments: [hostsArgument],
  options: [
    { flags: '--allowed-signers <file>', description: 'who may sign releases; the hosts refuse all others from then on (default: allowedSigners of the site)' },
    connectOption,
  ],
  example: 'provision pi@raspberrypi.local',
  run: async (session, args, options) => {
    const { provisionTasks } = await import('../../../ship/provision.ts');
    const { describeOutcome, fleetResult } = await import('../../../ship/fleet/outcome.ts');
    const { visitHosts } = await import('../../../ship/fleet/visit-hosts.ts');
    const { allowedSignersOf, hostsOf, siteIfAny } = await import('../../pipeline/site.ts');
    const { context } = session;
    const deployment = await siteIfAny(session);
    const allowedSigners = await allowedSignersOf(deployment, options);
    if (session.dryRun) {
      return { hosts: await onHosts(session, words(args, 0), options, (device, { name }) => {
        session.print(provisionTasks(device, { allowedSigners }).map(({ title }) => `${name}: ${title}`).join('\n'));
        return Promise.resolve({ host: name });
      }) };
    }
    const outcomes = await visitHosts(context, hostsOf(deployment?.site.hosts ?? [], words(args, 0)), {
      connect: connectOptions(session, options),
      title: ({ name }) => `Make ${name} ready`,
      visit: async (device, report) => {
        await report.children(provisionTasks(device, { allowedSigners }));
        return 'ready';
      },
    });
    const remedy = 'Run the same command again when the cause is gone: hosts that are ready stay as they are.';
    return fleetResult(outcomes, { describe: describeOutcome, wasInterrupted: context.signal.aborted, remedy });
  },
};
