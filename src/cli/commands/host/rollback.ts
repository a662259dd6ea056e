import { connectOption, hostsArgument, onHosts } from './host-verb.ts';
import { word, words, type Verb } from '../../verb.ts';

export const rollback: Verb = {
  name: 'rollback',
  summary: 'return to the release before, or to a kept one',
  arguments: [hostsArgument],
  options: [{ flags: '--to <id>', description: 'the id of a kept release; `prose-ship status` lists them' }, connectOption],
  example: 'rollback pi@raspberrypi.local',
  run: async (session, args, options) => {
    const { rollbackTask } = await import('../../../ship/update.ts');
    const { readInventory } = await import('../../../ship/device.ts');
    const { runTasks } = await import('../../../tasks.ts');
    const hosts = await onHosts(session, words(args, 0), options, async (device, host) => {
      const inventory = await readInventory(device);
      const target = word(options['to']) ?? inventory.previousId;
      if (session.dryRun) session.print(`${host.name}: ${inventory.currentId ?? 'nothing'} -> ${target ?? 'nothing to return to'}`);
      else {
        const task = rollbackTask(session.context, device, word(options['to']));
        await runTasks(session.context, [{ ...task, id: host.name, title: `${host.name}: back to ${target ?? 'the release before'}` }]);
      }
      return { host: host.name, from: inventory.currentId, to: target };
    });
    return { hosts };
  },
};
