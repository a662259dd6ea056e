import type { Context } from '../../context.ts';
import { ShipError } from '../../errors.ts';
import type { RunResult } from '../process.ts';
import type { HostAddress } from './address.ts';
import type { HostKeyPolicy } from './host-key.ts';
import { logIn } from './login.ts';
import { CommandRunner, type RemoteRunOptions } from './command/remote-command.ts';
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

export type ConnectOptions = HostKeyPolicy;

/**
 * Logs in by SSH: ssh_config, agent, key files and ProxyJump hold as for `ssh`; no passwords. Host keys are checked
 * against known_hosts, always.
 * @throws ShipError E_HOST_UNREACHABLE, E_HOST_KEY_UNKNOWN, E_HOST_KEY_CHANGED, E_HOST_KEY_REVOKED, E_AUTHENTICATION,
 * E_SSH_CONFIG, all with exit status 3; E_CONNECTION_LOST, E_INTERRUPTED
 */
export async function connect(context: Context, host: HostAddress, options: ConnectOptions = {}): Promise<Connection> {
  const session = await logIn(context, host, options);
  try {
    const { user, uid } = await whoAmI(new CommandRunner(context, session, '', 0), session.name);
    const commands = new CommandRunner(context, session, user, uid);
    return {
      name: session.name,
      user,
      uid,
      run: (command, runOptions) => commands.run(command, runOptions),
      files: new SftpFiles(session, (file) => sha256(commands, file)),
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

async function whoAmI(commands: CommandRunner, host: string): Promise<{ user: string; uid: number }> {
  const { stdout } = await commands.run(['sh', '-c', 'id -u; id -un']);
  const [uid, user] = stdout.split('\n').slice(-2); // a talkative login shell prints before
  if (uid === undefined || user === undefined || !/^\d+$/.test(uid)) {
    throw new ShipError({
      code: 'E_REMOTE_COMMAND_FAILED',
      message: `\`id\` on ${host} does not print a user`,
      output: stdout,
    });
  }
  return { user, uid: Number(uid) };
}
