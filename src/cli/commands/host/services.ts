import { connectOption, connectOptions, hostNames } from './host-verb.ts';
import { words, type Verb } from '../../verb.ts';

/** start, stop and restart: services of the release that runs on a host. */

const argumentsOf = [
  { name: '<host>', description: 'a name of the site file, or user@address; several with commas between them' },
  { name: '[service...]', description: 'only these services' },
];

function serviceVerb(name: 'start' | 'stop' | 'restart', summary: string, title: string, example: string): Verb {
  return {
    name,
    summary,
    arguments: argumentsOf,
    options: [connectOption],
    example,
    run: async (session, args, options) => {
      const { followUpdater } = await import('../../../ship/rollout.ts');
      const { readInventory } = await import('../../../ship/device.ts');
      const { describeOutcome, fleetResult } = await import('../../../ship/fleet/outcome.ts');
      const { visitHosts } = await import('../../../ship/fleet/visit-hosts.ts');
      const { hostsOf, siteIfAny } = await import('../../pipeline/site.ts');
      const { context } = session;
      const services = words(args, 1);
      const hosts = hostsOf(await siteIfAny(session), hostNames(args));
      const what = services.length > 0 ? services.join(', ') : 'all services';
      if (session.dryRun) {
        session.print(hosts.map((host) => `${host.name}: ${title} ${what}`).join('\n'));
        return { hosts: hosts.map((host) => ({ host: host.name, services })) };
      }
      const outcomes = await visitHosts(context, hosts, {
        connect: connectOptions(session, options),
        title: (host) => `${host.name}: ${title} ${what}`,
        visit: async (device, report) => {
          await readInventory(device); // says clearly when there is no updater
          await followUpdater(context, device, [`${name}-services`, ...services], report);
          return 'ready';
        },
      });
      return fleetResult(outcomes, { describe: describeOutcome, wasInterrupted: context.signal.aborted });
    },
  };
}

export const start = serviceVerb('start', 'start services that were stopped', 'start', 'start pi@raspberrypi.local');
export const stop = serviceVerb('stop', 'stop services until they are started, the next update, or the next boot', 'stop', 'stop pi@raspberrypi.local server');
export const restart = serviceVerb('restart', 'restart services, and wait until they answer', 'restart', 'restart pi@raspberrypi.local server');
