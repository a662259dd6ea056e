import type { Context } from '../../context.ts';
import { ShipError } from '../../errors.ts';
import type { RunResult } from '../process.ts';
import type { HostAddress } from './address.ts';
import type { HostKeyPolicy } from './host-key.ts';
import { logIn } from './login.ts';
import { CommandRunner, type RemoteRunOptions } from './command/remote-command.ts';
import { WaitingShell } from './command/waiting-shell.ts';
import { type RemoteFiles, SftpFiles } from './sftp/files.ts';
import { serveThroughTunnel, type TunnelHandler, type TunnelServer } from './tunnel/http-server.ts';

export type { HostAddress } from './address.ts';
export type { HostKeyQuestion } from './host-key.ts';
export type { RemoteRunOptions } from './command/remote-command.ts';
export type { RemoteFiles, RemoteStat } from './sftp/files.ts';
export { type ResumableOptions, type ResumableSource, type ResumableUpload, partialPaths } from './sftp/resumable-upload.ts';
export { TokenBucket } from './sftp/token-bucket.ts';
export type { UploadOptions, UploadSource } from './sftp/upload.ts';
export type { TunnelAnswer, TunnelHandler, TunnelRequest, TunnelServer } from './tunnel/http-server.ts';

/** A login on one host; an interface, so that tests can record what is asked of it. */
export interface Connection {
  /** How messages call the host. */
  readonly name: string;
  readonly user: string;
  readonly uid: number;
  /** The outcome of `ConnectOptions.first`, whatever its exit status. */
  readonly first?: RunResult;
  /**
   * Runs a program there; every argument arrives as it is, whatever it holds.
   * @throws ShipError E_REMOTE_COMMAND_FAILED (host and last lines), E_NO_SUDO, E_TIMEOUT, E_CONNECTION_LOST, E_INTERRUPTED
   */
  run(command: readonly string[], options?: RemoteRunOptions): Promise<RunResult>;
  /** Files of the host by SFTP, with the rights of the login user. */
  readonly files: RemoteFiles;
  /**
   * Serves HTTP on a free port of the host's loopback address for as long as this login stands.
   * @throws ShipError E_TUNNEL_REFUSED (exit status 3), E_CONNECTION_LOST, E_INTERRUPTED
   */
  serve(handler: TunnelHandler): Promise<TunnelServer>;
  /** Ends the login. Twice is fine. */
  close(): Promise<void>;
}

export interface ConnectOptions extends HostKeyPolicy {
  /** Nobody is root there: what else runs by sudo is run as the login user. */
  readonly withoutRoot?: boolean;
  /**
   * A command of the login user's that is asked in one breath with who that is; SFTP is opened meanwhile, and a shell for the
   * command that comes next: on a long line each of these alone would cost two or three round trips.
   */
  readonly first?: readonly string[];
}

/**
 * Logs in by SSH: ssh_config, agent, key files and ProxyJump hold as for `ssh`; no passwords. Host keys are checked
 * against known_hosts, always.
 * @throws ShipError E_HOST_UNREACHABLE, E_HOST_KEY_UNKNOWN, E_HOST_KEY_CHANGED, E_HOST_KEY_REVOKED, E_AUTHENTICATION,
 * E_SSH_CONFIG, all with exit status 3; E_CONNECTION_LOST, E_INTERRUPTED
 */
export async function connect(context: Context, host: HostAddress, options: ConnectOptions = {}): Promise<Connection> {
  const session = await logIn(context, host, options);
  try {
    const files = new SftpFiles(session, (file) => sha256(commands, file));
    if (options.first) files.open();
    const waiting = options.first ? new WaitingShell(session.ssh) : undefined;
    const { user, uid, first } = await whoAmI(new CommandRunner(context, session, '', 0), session.name, options.first);
    const commands = new CommandRunner(context, session, user, options.withoutRoot ? 0 : uid, waiting);
    return {
      name: session.name,
      user,
      uid,
      ...(first ? { first } : {}),
      run: (command, runOptions) => commands.run(command, runOptions),
      files,
      serve: (handler) => serveThroughTunnel(session, handler),
      close: () => session.close(),
    };
  } catch (error) {
    await session.close();
    throw error;
  }
}

async function sha256(commands: CommandRunner, file: string): Promise<string> {
  const { stdout } = await commands.run(['sha256sum', file]);
  return /[0-9a-f]{64}/.exec(stdout)?.[0] ?? '';
}

/** Begins the line that tells who is logged in: a talkative login shell prints before it. */
const loginMarker = 'prose-ship-login';
const anyStatus = Array.from({ length: 256 }, (_, status) => status);

interface Introduction {
  readonly user: string;
  readonly uid: number;
  readonly first?: RunResult;
}

async function whoAmI(commands: CommandRunner, host: string, first: readonly string[] = []): Promise<Introduction> {
  const script = `echo "${loginMarker} $(id -u) $(id -un)"; ${first.length > 0 ? 'exec "$@"' : ':'}`;
  const { exitCode, stdout, stderr } = await commands.run(['sh', '-c', script, 'sh', ...first], first.length > 0 ? { expect: anyStatus } : {});
  const [introduction, uid, user] = new RegExp(`^${loginMarker} (\\d+) (.+)$\n?`, 'm').exec(stdout) ?? [];
  if (introduction === undefined || uid === undefined || user === undefined) {
    throw new ShipError({
      code: 'E_REMOTE_COMMAND_FAILED',
      message: `\`id\` on ${host} does not print a user`,
      output: stdout,
    });
  }
  const answer = stdout.slice(stdout.indexOf(introduction) + introduction.length);
  return { user, uid: Number(uid), ...(first.length > 0 ? { first: { exitCode, stdout: answer, stderr } } : {}) };
}
