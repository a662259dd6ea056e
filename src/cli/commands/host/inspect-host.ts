import { stripVTControlCharacters } from 'node:util';
import type { ShipError } from '../../../errors.ts';
import type { Device } from '../../../ship/device.ts';
import { describeError } from '../../../ship/fleet/outcome.ts';
import { connectOption, hostNames, hostsArgument, onHosts, visitEach, visitError } from './host-verb.ts';
import { words, type Session, type Verb, type VerbOptions } from '../../verb.ts';

/** status, logs and exec: what runs on a host and what it says. */

/** Hosts that are asked at once. */
const concurrency = 8;

export const status: Verb = {
  name: 'status',
  summary: 'what runs on hosts, their journals and audit logs',
  arguments: [hostsArgument],
  options: [connectOption],
  example: 'status pi@raspberrypi.local',
  run: async (session, args, options) => {
    const ask = async (device: Device) => {
      const { readInventory } = await import('../../../ship/device.ts');
      await readInventory(device); // says clearly when there is no updater
      const { stdout } = await device.updater(['status']);
      return stdout.trimEnd().split('\n').map((line) => line.split('\t'));
    };
    const visited = await visitEach(session, words(args, 0), options, ask, {
      concurrency,
      onVisited: (one) => session.print(formatStatus(one.host, one.error ? errorRows(one.error) : one.result)),
    });
    const hosts = visited.map((one) => (one.error ? { host: one.host, error: describeError(one.error) } : { host: one.host, status: one.result }));
    const error = visitError(visited, { hosts });
    if (error) throw error;
    return { hosts };
  },
};

type Rows = readonly (readonly string[])[];

function formatStatus(host: string, rows: Rows): string {
  const shown = rows.filter(([key]) => key !== 'format');
  return [host, ...shown.map(([key = '', ...values]) => `  ${key.padEnd(9)}  ${values.join('  ')}`)].join('\n');
}

function errorRows({ code, message, remedy }: ShipError): Rows {
  return [['error', `${message} (${code})`], ...(remedy ? [['remedy', remedy]] : [])];
}

const someHostsArgument = { name: '<host>', description: 'a name of the site file, or user@address; several with commas between them' };

/** Several hosts say at the beginning of each line who speaks. */
function lineShower(session: Session, hosts: readonly string[]): (host: string, line: string) => void {
  return (host, line) => session.print(hosts.length > 1 ? `${host} | ${line}` : line);
}

export const logs: Verb = {
  name: 'logs',
  summary: 'what the services of hosts say',
  arguments: [someHostsArgument, { name: '[service...]', description: 'only these services' }],
  options: [
    { flags: '--tail <lines>', description: 'how many lines of each', default: '100' },
    { flags: '-f, --follow', description: 'go on until interrupted' },
    { flags: '--run', description: 'the log of the last update, rollback or other run of the updater instead, until it ends' },
    connectOption,
  ],
  example: 'logs pi@raspberrypi.local server --tail 20',
  run: async (session, args, options) => {
    const { currentManifest, logsCommand } = await import('../../../ship/current-release.ts');
    const { emit } = session.context;
    const names = hostNames(args);
    if (options['run'] === true) return runLog(session, names, options);
    const show = lineShower(session, names);
    const visited = await visitEach(session, names, options, async (device, { name: host }) => {
      const { name } = await currentManifest(device); // says clearly when nothing runs
      const command = logsCommand(device, name, { tail: String(options['tail']), follow: options['follow'] === true, services: words(args, 1) });
      // Compose moves the cursor even where it must not colour.
      const onLine = (line: string) => {
        const message = stripVTControlCharacters(line);
        if (session.json) emit({ type: 'log', level: 'info', message: names.length > 1 ? `${host} | ${message}` : message });
        else show(host, message);
      };
      await device.connection.run(command, { sudo: true, onLine }).catch(throwOutputFree);
    }, { concurrency: options['follow'] === true ? names.length : concurrency });
    const error = visitError(visited, {});
    if (error) throw error;
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
  summary: 'run a command on hosts',
  arguments: [someHostsArgument, { name: '<command...>', description: 'the command and its arguments, after --' }],
  options: [{ flags: '--sudo', description: 'as root' }, connectOption],
  example: 'exec pi@raspberrypi.local -- uptime',
  run: async (session, args, options) => {
    const names = hostNames(args);
    const show = lineShower(session, names);
    const visited = await visitEach(session, names, options, async (device, { name }) => {
      if (options['sudo'] === true && device.host.engine === 'none') throw await nobodyIsRoot(name);
      const settings = { sudo: options['sudo'] === true, onLine: (line: string) => show(name, line) };
      const run = device.connection.run(words(args, 1), settings);
      return session.json ? run : run.catch(throwOutputFree);
    }, { concurrency });
    const hosts = visited.map((one) => (one.error ? { host: one.host, error: describeError(one.error) } : { host: one.host, ...one.result }));
    const error = visitError(visited, { hosts });
    if (error) throw error;
    const [only, second] = visited;
    return only && !second && !only.error ? only.result : { hosts };
  },
};

async function nobodyIsRoot(host: string): Promise<ShipError> {
  const { ExitStatus, ShipError } = await import('../../../errors.ts');
  return new ShipError({ code: 'E_NO_ROOT', message: `Nobody is root on ${host}`, remedy: 'Leave out --sudo: everything belongs to the login user there.', exitStatus: ExitStatus.usage });
}

/** The output has been shown line by line already. */
async function throwOutputFree(error: unknown): Promise<never> {
  const { ShipError } = await import('../../../errors.ts');
  if (!(error instanceof ShipError)) throw error;
  const { code, message, remedy, exitStatus } = error;
  throw new ShipError({ code, message, exitStatus, cause: error, ...(remedy ? { remedy } : {}) });
}
