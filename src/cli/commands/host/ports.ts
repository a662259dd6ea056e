import { ExitStatus, ShipError } from '../../../errors.ts';
import { connectOption, hostArgument, onHosts } from './host-verb.ts';
import { word, words, type Verb } from '../../verb.ts';

export const ports: Verb = {
  name: 'ports',
  summary: 'find ports that are free on a shared host, as lines for the site file',
  arguments: [hostArgument],
  options: [{ flags: '--range <first-last>', description: 'where to look, such as the ports that your provider gives (default: 20000-32767)' }, connectOption],
  example: 'ports me@shared.example.net --range 40000-50000',
  run: async (session, args, options) => {
    const { findFreePorts, parseRange, usualRange } = await import('../../../ship/user-host/free-ports.ts');
    const { readInventory } = await import('../../../ship/device.ts');
    const { siteIfAny } = await import('../../pipeline/site.ts');
    const given = word(options['range']);
    const range = given === undefined ? usualRange : parseRange(given);
    const variables = (await siteIfAny(session))?.site.portVariables ?? [];
    if (variables.length === 0) {
      throw new ShipError({
        code: 'E_NO_PORTS',
        message: 'The profile of this site has no ports that must be found',
        remedy: 'Its variables have ports that do. With the recipe prosody it is `profile: shared` that asks for some.',
        exitStatus: ExitStatus.usage,
      });
    }
    const [found = []] = await onHosts(session, words(args, 0), options, async (device) => {
      await readInventory(device); // says clearly when there is no updater
      return findFreePorts(device, variables.length, range);
    });
    const chosen = Object.fromEntries(variables.map((name, index) => [name, found[index]]));
    session.print(Object.entries(chosen).map(([name, port]) => `  ${name}: ${String(port)}`).join('\n'));
    session.context.emit({ type: 'log', level: 'info', message: 'Put these lines under `variables` of the site file.' });
    return { ports: chosen };
  },
};
