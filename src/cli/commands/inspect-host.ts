import { devicePaths } from '../../device/files.ts';
import { connectOption, hostArgument, hostsArgument, onHosts } from '../host-verb.ts';
import { words, type Verb } from '../verb.ts';

/** status, logs and exec: what runs on a host and what it says. */

export const status: Verb = {
  name: 'status',
  summary: 'what runs on a host, its journal and its audit log',
  arguments: [hostsArgument],
  options: [connectOption],
  example: 'status pi@raspberrypi.local',
  run: async (session, args, options) => {
    const hosts = await onHosts(session, words(args, 0), options, async (device, host) => {
      const { readInventory } = await import('../../ship/device.ts');
      await readInventory(device); // says clearly when there is no updater
      const { stdout } = await device.updater(['status']);
      session.print(`${host.name}\n${stdout.replace(/^/gm, '  ')}`);
      return { host: host.name, status: stdout.split('\n').map((line) => line.split('\t')) };
    });
    return { hosts };
  },
};

const compose = ['compose', '--ansi', 'never', '--file', `${devicePaths.stateDirectory}/current/compose.yaml`];

export const logs: Verb = {
  name: 'logs',
  summary: 'what the services of a host say',
  arguments: [hostArgument, { name: '[service...]', description: 'only these services' }],
  options: [
    { flags: '--tail <lines>', description: 'how many lines of each', default: '100' },
    { flags: '-f, --follow', description: 'go on until interrupted' },
    connectOption,
  ],
  example: 'logs pi@raspberrypi.local server --tail 20',
  run: async (session, args, options) => {
    await onHosts(session, words(args, 0), options, async (device) => {
      const follow = options['follow'] === true ? ['--follow'] : [];
      const project = await device.connection.run(projectCommand, { sudo: true });
      const command = ['docker', ...compose, '--project-name', project.stdout.trim(), 'logs', '--no-color', '--tail', String(options['tail']), ...follow];
      await device.connection.run([...command, ...words(args, 1)], { sudo: true, onLine: (line) => session.print(line) });
    });
    return {};
  },
};

/** The Compose project's name stands in the release's plan. */
const projectCommand = ['sh', '-c', `cat ${devicePaths.stateDirectory}/current/plans/*.plan | sed -n 's/^name\\t//p' | head -n 1`];

export const exec: Verb = {
  name: 'exec',
  summary: 'run a command on a host',
  arguments: [hostArgument, { name: '<command...>', description: 'the command and its arguments, after --' }],
  options: [{ flags: '--sudo', description: 'as root' }, connectOption],
  example: 'exec pi@raspberrypi.local -- uptime',
  run: async (session, args, options) => {
    const [exitCode] = await onHosts(session, words(args, 0), options, async (device) => {
      const result = await device.connection.run(words(args, 1), {
        sudo: options['sudo'] === true,
        onLine: (line) => session.print(line),
      });
      return result.exitCode;
    });
    return { exitCode };
  },
};
