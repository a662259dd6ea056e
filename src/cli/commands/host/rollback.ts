import { connectOption, hostsArgument, onHosts, stealLock, stealLockOptions } from './host-verb.ts';
import { word, words, type Verb } from '../../verb.ts';

export const rollback: Verb = {
  name: 'rollback',
  summary: 'return to the release before, or to a kept one',
  arguments: [hostsArgument],
  options: [{ flags: '--to <id>', description: 'the id of a kept release; `prose-ship status` lists them' }, ...stealLockOptions, connectOption],
  example: 'rollback pi@raspberrypi.local',
  run: async (session, args, options) => {
    const { rollbackTask, stealLockTasks } = await import('../../../ship/update.ts');
    const { readInventory } = await import('../../../ship/device.ts');
    const { runTasks } = await import('../../../tasks.ts');
    const hosts = await onHosts(session, words(args, 0), options, async (device, host) => {
      const inventory = await readInventory(device);
      const target = word(options['to']) ?? inventory.previousId;
      if (session.dryRun) session.print(`${host.name}: ${inventory.currentId ?? 'nothing'} -> ${target ?? 'nothing to return to'}`);
      else {
        const { context } = session;
        const title = `${host.name}: back to ${target ?? 'the release before'}`;
        const before = stealLockTasks(context, device, stealLock(options)).map((task) => ({ ...task, id: `${task.id}:${host.name}` }));
        await runTasks(context, [...before, { ...rollbackTask(context, device, word(options['to'])), id: host.name, title }]);
      }
      return { host: host.name, from: inventory.currentId, to: target };
    });
    return { hosts };
  },
};
