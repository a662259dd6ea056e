import os from 'node:os';
import path from 'node:path';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { type Command, run } from '../process.ts';
import { type HostAddress, parseJumps } from './address.ts';

/** What ssh_config says about one host, every default filled in, paths absolute. */
export interface SshSettings {
  readonly hostname: string;
  readonly port: number;
  readonly user: string;
  /** Private keys to offer; those that do not exist are skipped later. */
  readonly identityFiles: readonly string[];
  /** Offer only `identityFiles`, of the agent's keys too. */
  readonly identitiesOnly: boolean;
  /** Socket of the agent; undefined where there is none. */
  readonly identityAgent?: string;
  /** The first one receives accepted keys. */
  readonly userKnownHostsFiles: readonly string[];
  readonly globalKnownHostsFiles: readonly string[];
  /** Names of accepted hosts are stored hashed. */
  readonly hashKnownHosts: boolean;
  /** Looked up in known_hosts instead of the host name. */
  readonly hostKeyAlias?: string;
  /** In the order of preference. */
  readonly hostKeyAlgorithms: readonly string[];
  readonly strictHostKeyChecking: string;
  /** Hosts to go through, the first one first. */
  readonly proxyJumps: readonly HostAddress[];
  readonly connectTimeoutMs?: number;
  /** 0 where ssh_config does not ask for it. */
  readonly serverAliveIntervalMs: number;
  readonly serverAliveCountMax: number;
}

/** `ssh -G` prints what ssh would use, Host, Match and Include resolved (ssh(1)). */
export function sshConfigCommand(host: HostAddress, configFile?: string): Command {
  return {
    program: 'ssh',
    args: [
      '-G',
      ...(configFile ? ['-F', configFile] : []),
      ...(host.user ? ['-l', host.user] : []),
      ...(host.port ? ['-p', String(host.port)] : []),
      '--',
      host.address,
    ],
  };
}

/**
 * Asks ssh for its settings of a host; `PROSE_SHIP_SSH_CONFIG` names another ssh_config, like `ssh -F`.
 * @throws ShipError E_SSH_CONFIG (what ssh refuses, ProxyCommand), E_COMMAND_NOT_FOUND; exit status 3
 */
export async function sshSettings(context: Context, host: HostAddress): Promise<SshSettings> {
  if (!/^[^\s-]\S*$/.test(host.address)) throw configError(`'${host.address}' is not a host name`);
  const command = sshConfigCommand(host, context.environment['PROSE_SHIP_SSH_CONFIG']);
  const result = await run(context, command, { expect: [255] });
  if (result.exitCode !== 0) {
    const place = /^(?<file>\/.+?)(?:: line |:)(?<line>\d+)?/m.exec(result.stderr)?.groups;
    throw new ShipError({
      code: 'E_SSH_CONFIG',
      message: `ssh does not accept its configuration for '${host.address}'`,
      remedy: `Try it by hand: \`ssh -G ${host.address}\``,
      output: result.stderr,
      ...(place?.['file'] && place['line'] ? { place: { file: place['file'], line: Number(place['line']) } } : {}),
      exitStatus: ExitStatus.preflight,
    });
  }
  return parseSshConfig(result.stdout, host.address, context.environment);
}

/**
 * Reads the output of `ssh -G`: a keyword in lower case and its value on each line, repeated for lists.
 * Tokens and `~` in paths, which `-G` leaves as they are, are expanded (ssh_config(5), TOKENS).
 */
export function parseSshConfig(output: string, original: string, environment: Context['environment'] = {}): SshSettings {
  const values = new Map<string, string[]>();
  for (const line of output.split('\n')) {
    const [, keyword, value] = /^(\S+)\s+(.*?)\s*$/.exec(line) ?? [];
    if (keyword !== undefined && value !== undefined) values.set(keyword, [...(values.get(keyword) ?? []), value]);
  }
  const first = (keyword: string) => values.get(keyword)?.[0];
  const required = (keyword: string) => {
    const value = first(keyword);
    if (value === undefined) throw configError(`\`ssh -G ${original}\` does not print '${keyword}'`);
    return value;
  };

  const proxyCommand = first('proxycommand');
  if (proxyCommand !== undefined && proxyCommand !== 'none') {
    throw configError(
      `'${original}' is reached by ProxyCommand, which prose-ship does not run: ${proxyCommand}`,
      'Use ProxyJump in ssh_config instead.',
    );
  }

  const hostname = required('hostname').toLowerCase();
  const user = required('user');
  const port = Number(required('port'));
  const alias = first('hostkeyalias');
  const expand = pathExpander({ original, hostname, port, user, alias }, environment);
  const files = (keyword: string) =>
    splitQuoted(first(keyword) ?? '').filter((file) => file !== 'none').map(expand);
  const agent = agentSocket(first('identityagent'), environment, expand);
  const connectTimeout = Number(first('connecttimeout'));
  return {
    hostname,
    port,
    user,
    identityFiles: (values.get('identityfile') ?? []).filter((file) => file !== 'none').map(expand),
    identitiesOnly: isYes(first('identitiesonly')),
    ...(agent ? { identityAgent: agent } : {}),
    userKnownHostsFiles: files('userknownhostsfile'),
    globalKnownHostsFiles: files('globalknownhostsfile'),
    hashKnownHosts: isYes(first('hashknownhosts')),
    ...(alias !== undefined && alias !== 'none' ? { hostKeyAlias: alias } : {}),
    hostKeyAlgorithms: (first('hostkeyalgorithms') ?? '').split(',').filter((name) => name !== ''),
    strictHostKeyChecking: first('stricthostkeychecking') ?? 'ask',
    proxyJumps: parseJumps(first('proxyjump') ?? ''),
    ...(connectTimeout > 0 ? { connectTimeoutMs: connectTimeout * 1000 } : {}),
    serverAliveIntervalMs: Number(first('serveraliveinterval') ?? 0) * 1000,
    serverAliveCountMax: Number(first('serveralivecountmax') ?? 3),
  };
}

/** `-G` prints yes or true, depending on the option and on the version. */
function isYes(value: string | undefined): boolean {
  return value === 'yes' || value === 'true';
}

function splitQuoted(list: string): string[] {
  return [...list.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

/** IdentityAgent: a path, `none`, `SSH_AUTH_SOCK`, or the name of a variable after a dollar sign. */
function agentSocket(
  value: string | undefined,
  environment: Context['environment'],
  expand: (text: string) => string,
): string | undefined {
  if (value === undefined || value === 'SSH_AUTH_SOCK') return environment['SSH_AUTH_SOCK'];
  if (value === 'none') return undefined;
  const variable = /^\$(\w+)$/.exec(value)?.[1];
  return variable ? environment[variable] : expand(value);
}

interface TokenValues {
  readonly original: string;
  readonly hostname: string;
  readonly port: number;
  readonly user: string;
  readonly alias: string | undefined;
}

function pathExpander(values: TokenValues, environment: Context['environment']): (text: string) => string {
  const me = os.userInfo(); // ssh takes the home from the user database, not from HOME
  const machine = os.hostname();
  const tokens: Record<string, string> = {
    '%': '%',
    d: me.homedir,
    h: values.hostname,
    i: String(me.uid),
    k: values.alias ?? values.original,
    L: machine.split('.')[0] ?? machine,
    l: machine,
    n: values.original,
    p: String(values.port),
    r: values.user,
    u: me.username,
  };
  return (text) => {
    const expanded = text
      .replace(/^~(?=\/|$)/, me.homedir)
      .replace(/\$\{(\w+)\}/g, (_, name: string) => environment[name] ?? '')
      .replace(/%(.)/g, (whole, name: string) => {
        const value = tokens[name];
        if (value === undefined) throw configError(`prose-ship does not know the token ${whole} in '${text}'`);
        return value;
      });
    return path.resolve(me.homedir, expanded);
  };
}

function configError(message: string, remedy = 'Correct ssh_config or the site file.'): ShipError {
  return new ShipError({ code: 'E_SSH_CONFIG', message, remedy, exitStatus: ExitStatus.preflight });
}
