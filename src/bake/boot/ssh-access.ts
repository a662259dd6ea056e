import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../../context.ts';
import { connect, type Connection } from '../../host/ssh/connection.ts';

/** How ssh is to log in to a booted image. */
export interface SshAccess {
  readonly port: number;
  /** Without it ssh_config's, or the name of the user here. */
  readonly user?: string;
  /** Without it the agent and the keys of ssh_config. */
  readonly identityFile?: string;
  /** Receives the configuration and the device's host key. */
  readonly directory: string;
}

/** The name that the configuration gives the device. */
const alias = 'card';

/**
 * A configuration for ssh of its own: a device that was made a minute ago has a host key that nobody can know, so it is
 * trusted on first use, for this port of this machine and in this folder only; your known_hosts stay as they are.
 * The rest of your configuration still holds.
 */
export function sshConfiguration({ port, user, identityFile, directory }: SshAccess, environment: Context['environment']): string {
  const included = environment['PROSE_SHIP_SSH_CONFIG'];
  return [
    `Host ${alias}`,
    '  HostName 127.0.0.1',
    `  Port ${port}`,
    ...(user ? [`  User ${user}`] : []),
    ...(identityFile ? [`  IdentityFile ${quoted(path.resolve(identityFile))}`, '  IdentitiesOnly yes'] : []),
    `  HostKeyAlias prose-ship-${alias}`,
    `  UserKnownHostsFile ${quoted(path.join(directory, 'known_hosts'))}`,
    '  GlobalKnownHostsFile none',
    '  HashKnownHosts no',
    '  StrictHostKeyChecking accept-new',
    '  ProxyJump none',
    '  ProxyCommand none',
    '  ConnectTimeout 10',
    'Match all',
    ...(included ? [`  Include ${quoted(path.resolve(included))}`] : ['  Include ~/.ssh/config', '  Include /etc/ssh/ssh_config']),
    '',
  ].join('\n');
}

/** Writes the configuration, and says how ssh is called with it. */
export async function writeSshConfiguration(context: Context, access: SshAccess): Promise<{ file: string; command: string }> {
  const file = path.join(access.directory, 'ssh_config');
  await writeFile(file, sshConfiguration(access, context.environment), { mode: 0o600 });
  return { file, command: `ssh -F ${/\s/.test(file) ? `'${file}'` : file} ${alias}` };
}

/** Logs in with that configuration. @throws ShipError of `connect` */
export async function logInToDevice(context: Context, configurationFile: string, name: string): Promise<Connection> {
  const environment = { ...context.environment, PROSE_SHIP_SSH_CONFIG: configurationFile };
  return connect({ ...context, environment }, { address: alias, name }, { confirmHostKey: () => Promise.resolve(true) });
}

function quoted(file: string): string {
  return `"${file.replaceAll('%', '%%')}"`;
}
