import { connectOption, connectOptions, hostsArgument, onHosts } from './host-verb.ts';
import type { Device } from '../../../ship/device.ts';
import { tellSteps } from '../../report/format-steps.ts';
import { words, type Verb } from '../../verb.ts';

export const provision: Verb = {
  name: 'provision',
  summary: 'make existing Raspberry Pi OS or Debian hosts ready: engine, packages of the recipe, directories, updater',
  arguments: [hostsArgument],
  options: [
    { flags: '--allowed-signers <file>', description: 'who may sign releases; the hosts refuse all others from then on (default: allowedSigners of the site)' },
    connectOption,
  ],
  example: 'provision pi@raspberrypi.local',
  run: async (session, args, options) => {
    const { missingPackages, provisionTasks } = await import('../../../ship/provision.ts');
    const { provisionUserTasks } = await import('../../../ship/user-host/provision.ts');
    const { describeOutcome, fleetResult } = await import('../../../ship/fleet/outcome.ts');
    const { visitHosts } = await import('../../../ship/fleet/visit-hosts.ts');
    const { allowedSignersOf, hostsOf, siteIfAny } = await import('../../pipeline/site.ts');
    const { context } = session;
    const deployment = await siteIfAny(session);
    const allowedSigners = await allowedSignersOf(deployment, options);
    const packages = deployment?.recipe.packages ?? [];
    const tasksFor = (device: Device) => (device.host.engine === 'none' ? provisionUserTasks(device, allowedSigners) : provisionTasks(device, { allowedSigners, packages }));
    if (session.dryRun) {
      return { hosts: await onHosts(session, words(args, 0), options, async (device, { name }) => {
        const toInstall = await missingPackages(device.connection, packages);
        const lines = tasksFor(device).map(({ id, title }) => (id === 'packages' && toInstall.length > 0 ? `${title}: ${toInstall.join(', ')}` : title));
        session.print(lines.map((line) => `${name}: ${line}`).join('\n'));
        return { host: name, ...(packages.length > 0 ? { packages: toInstall } : {}) };
      }) };
    }
    const outcomes = await visitHosts(context, hostsOf(deployment, words(args, 0)), {
      connect: connectOptions(session, options),
      title: ({ name }) => `Make ${name} ready`,
      visit: async (device, report) => {
        await report.children(tasksFor(device));
        return 'ready';
      },
    });
    const remedy = 'Run the same command again when the cause is gone: hosts that are ready stay as they are.';
    const result = fleetResult(outcomes, { describe: describeOutcome, wasInterrupted: context.signal.aborted, remedy });
    tellSteps(context, deployment?.recipe.steps);
    return result;
  },
};
