import path from 'node:path';
import { ExitStatus, ShipError } from '../../../errors.ts';
import { connectOption, hostArgument, onHosts } from './host-verb.ts';
import { word, words, type Verb } from '../../verb.ts';

export const backup: Verb = {
  name: 'backup',
  summary: "copy a host's data into one file, consistent and verified",
  arguments: [hostArgument, { name: '[file]', description: 'where to (default: SITE-DATE.tar.gz in this folder)' }],
  options: [
    { flags: '--live', description: 'do not stop services; what is copied may not fit together' },
    { flags: '--with-secrets', description: 'also the runtime secrets: then keep the file safe' },
    connectOption,
  ],
  example: 'backup pi@raspberrypi.local chat.tar.gz',
  run: async (session, args, options) => {
    const { backupTasks } = await import('../../../ship/backup/backup.ts');
    const { currentManifest } = await import('../../../ship/current-release.ts');
    const { readInventory } = await import('../../../ship/device.ts');
    const { runTasks } = await import('../../../tasks.ts');
    const { context } = session;
    const [result] = await onHosts(session, words(args, 0), options, async (device, host) => {
      await readInventory(device); // says clearly when the updater is missing or older
      const { name, data } = await currentManifest(device);
      const date = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '');
      const file = path.resolve(words(args, 1)[0] ?? `${name}-${date}.tar.gz`);
      if (!/\.(tar\.gz|tgz)$/.test(file)) throw badName(file);
      if (session.dryRun) {
        session.print(`${host.name}: volumes ${data.volumes.join(', ')} -> ${file}`);
        return { host: host.name, file };
      }
      const made: object[] = [];
      const settings = { live: options['live'] === true, withSecrets: options['withSecrets'] === true };
      const tasks = backupTasks(context, device, file, settings, (backup) => made.push(backup));
      await runTasks(context, [{ id: host.name, title: `Back up ${host.name}`, run: (report) => report.children(tasks) }]);
      session.print(file);
      return { host: host.name, ...made[0] };
    });
    return result;
  },
};

export const restore: Verb = {
  name: 'restore',
  summary: "replace a host's data by that of a backup; what fails brings the old data back",
  arguments: [hostArgument, { name: '<file>', description: 'what `backup` wrote' }],
  options: [{ flags: '--force', description: 'also the backup of another site, domain or recipe' }, connectOption],
  example: 'restore pi@raspberrypi.local chat.tar.gz',
  run: async (session, args, options) => {
    const { verifyBackup } = await import('../../../ship/backup/verify-backup.ts');
    const { checkRestore, restoreTasks } = await import('../../../ship/backup/restore.ts');
    const { currentManifest } = await import('../../../ship/current-release.ts');
    const { readInventory } = await import('../../../ship/device.ts');
    const { runTasks } = await import('../../../tasks.ts');
    const { context } = session;
    const file = path.resolve(word(words(args, 1)[0]) ?? '');
    const verified = await verifyBackup(file, { signal: context.signal });
    const { manifest } = verified;
    const [result] = await onHosts(session, words(args, 0), options, async (device, host) => {
      const inventory = await readInventory(device);
      checkRestore(host.name, verified, await currentManifest(device), inventory, { force: options['force'] === true });
      const what = `the data of ${manifest.name} (${manifest.domain}) from ${manifest.time}, taken from ${manifest.host}`;
      const restored = { host: host.name, file, time: manifest.time, volumes: manifest.volumes, secrets: manifest.secrets };
      if (session.dryRun) {
        session.print(`${host.name}: ${what}, volumes ${manifest.volumes.map(({ name }) => name).join(', ')}`);
        return restored;
      }
      if (!(await session.confirm(`Replace the data on ${host.name} by ${what}?`))) throw notConfirmed(host.name);
      const tasks = restoreTasks(context, device, file, verified);
      await runTasks(context, [{ id: host.name, title: `Restore ${host.name}`, run: (report) => report.children(tasks) }]);
      return restored;
    });
    return result;
  },
};

function badName(file: string): ShipError {
  return new ShipError({
    code: 'E_BAD_FILE',
    message: `'${file}' does not end in .tar.gz`,
    remedy: 'A backup is a compressed tar archive: name it so.',
    exitStatus: ExitStatus.usage,
  });
}

function notConfirmed(host: string): ShipError {
  return new ShipError({
    code: 'E_NOT_CONFIRMED',
    message: `The data on ${host} was not replaced: nobody said yes`,
    remedy: 'Say yes when asked, or add --yes.',
    exitStatus: ExitStatus.usage,
  });
}
