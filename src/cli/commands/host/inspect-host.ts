import { stripVTControlCharacters } from 'node:util';
import { devicePaths } from '../../../device/files.ts';
import { connectOption, hostArgument, hostsArgument, onHosts } from './host-verb.ts';
import { words, type Session, type Verb, type VerbOptions } from '../../verb.ts';

/** status, logs and exec: what runs on a host and what it says. */

export const status: Verb = {
  name: 'status',
  summary: 'what runs on a host, its journal and its audit log',
  arguments: [hostsArgument],
  options: [connectOption],
  example: 'status pi@raspberrypi.local',
  run: async (session, args, options) => {
    const hosts = await onHosts(session, words(args, 0), options, async (device, host) => {
      const { readInventory } = await import('../../../ship/device.ts');
      await readInventory(device); // says clearly when there is no updater
      const { stdout } = await device.updater(['status']);
      const lines = stdout.trimEnd().split('\n').map((line) => line.split('\t'));
      const rows = lines.filter(([key]) => key !== 'format');
      const text = [host.name, ...rows.map(([key = '', ...values]) => `  ${key.padEnd(9)}  ${values.join('  ')}`)].join('\n');
      return { host: host.name, status: lines, text };
    }, { concurrency: 8 });
    for (const { text } of hosts) session.print(text);
    return { hosts: hosts.map(({ host, status: lines }) => ({ host, status: lines })) };
  },
};

const compose = ['docker', 'compose', '--ansi', 'never', '--file', `${devicePaths.stateDirectory}/current/compose.yaml`];

export const logs: Verb = {
  name: 'logs',
  summary: 'what the services of a host say',
  arguments: [hostArgument, { name: '[service...]', description: 'only these services' }],
  options: [
    { flags: '--tail <lines>', description: 'how many lines of each', default: '100' },
    { flags: '-f, --follow', description: 'go on until interrupted' },
    { flags: '--run', description: 'the log of the last update, rollback or other run of the updater instead, until it ends' },
    connectOption,
  ],
  example: 'logs pi@raspberrypi.local server --tail 20',
  run: async (session, args, options) => {
    const { currentManifest } = await import('../../../ship/current-release.ts');
    const { emit } = session.context;
    if (options['run'] === true) return runLog(session, words(args, 0), options);
    await onHosts(session, words(args, 0), options, async (device) => {
      const { name } = await currentManifest(device); // says clearly when nothing runs
      const follow = options['follow'] === true ? ['--follow'] : [];
      const command = [...compose, '--project-name', name, 'logs', '--no-color', '--tail', String(options['tail']), ...follow, ...words(args, 1)];
      // Compose moves the cursor even where it must not colour.
      const onLine = (line: string) => {
        const message = stripVTControlCharacters(line);
        if (session.json) emit({ type: 'log', level: 'info', message });
        else session.print(message);
      };
      await device.connection.run(command, { sudo: true, onLine }).catch(throwOutputFree);
    });
    return {};
  },
};

async function runLog(session: Session, hosts: readonly string[], options: VerbOptions): Promise<object> {
  const { parseRolloutLogLine } = await import('../../../device/rollout-log.ts');
  const onLine = (text: string) => {
    const line = parseRolloutLogLine(text);
    if (!line) return;
    const [seconds, ...fields] = text.split('\t');
    const message = [new Date(Number(seconds) * 1000).toISOString(), ...fields].join('  ');
    if (session.json) session.context.emit({ type: 'log', level: 'info', message });
    else session.print(message);
  };
  const [status] = await onHosts(session, hosts, options, async (device) => {
    const { exitCode } = await device.updater(['follow'], { expect: [1, 2, 3, 4], onLine });
    return exitCode;
  });
  return { status };
}

export const exec: Verb = {
  name: 'exec',
  summary: 'run a command on a host',
  arguments: [hostArgument, { name: '<command...>', description: 'the command and its arguments, after --' }],
  options: [{ flags: '--sudo', description: 'as root' }, connectOption],
  example: 'exec pi@raspberrypi.local -- uptime',
  run: async (session, args, options) => {
    const [result] = await onHosts(session, words(args, 0), options, async (device) => {
      const settings = { sudo: options['sudo'] === true, onLine: (line: string) => session.print(line) };
      const run = device.connection.run(words(args, 1), settings);
      return session.json ? run : run.catch(throwOutputFree);
    });
    return result;
  },
};

/** The output has been shown line by line already. */
async function throwOutputFree(error: unknown): Promise<never> {
  const { ShipError } = await import('../../../errors.ts');
  if (!(error instanceof ShipError)) throw error;
  const { code, message, remedy, exitStatus } = error;
  throw new ShipError({ code, message, exitStatus, cause: error, ...(remedy ? { remedy } : {}) });
}
