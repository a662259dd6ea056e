import { connectOption, hostsArgument, onHosts } from './host-verb.ts';
import { words, type Verb } from '../../verb.ts';

export const provision: Verb = {
  name: 'provision',
  summary: 'make an existing Raspberry Pi OS or Debian host ready: engine, directories, updater',
  arguments: [hostsArgument],
  options: [connectOption],
  example: 'provision pi@raspberrypi.local',
  run: async (session, args, options) => {
    const { provisionTasks } = await import('../../../ship/provision.ts');
    const { runTasks } = await import('../../../tasks.ts');
    const hosts = await onHosts(session, words(args, 0), options, async (device, host) => {
      const tasks = provisionTasks(device);
      if (session.dryRun) session.print(tasks.map(({ title }) => `${host.name}: ${title}`).join('\n'));
      else await runTasks(session.context, [{ id: host.name, title: `Make ${host.name} ready`, run: (report) => report.children(tasks) }]);
      return host.name;
    });
    return { hosts };
  },
};
