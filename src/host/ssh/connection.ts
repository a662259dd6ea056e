import type { Context } from '../../context.ts';
import type { RunOptions, RunResult } from '../process.ts';
import type { RemoteFiles } from './sftp.ts';

/** Where to log in: `address` is anything that `ssh` takes, ssh_config aliases included; the rest overrides ssh_config. */
export interface HostAddress {
  /** How messages call the host; default: its address. */
  readonly name?: string;
  readonly address: string;
  readonly user?: string;
  readonly port?: number;
}

/** A host key that known_hosts does not hold yet. */
export interface HostKeyQuestion {
  /** `example.org` or `[example.org]:2222`: as known_hosts spells it. */
  readonly host: string;
  /** `ssh-ed25519` */
  readonly type: string;
  /** `SHA256:...`, as OpenSSH prints it. */
  readonly fingerprint: string;
}

/** What to do about an unknown host key. Without either the connection is refused; a changed key is refused always. */
export interface ConnectOptions {
  /** `SHA256:...`: a host key with this fingerprint is stored in known_hosts and trusted. */
  readonly acceptHostKey?: string;
  /** Asks the user; a yes stores the key. */
  readonly confirmHostKey?: (question: HostKeyQuestion) => Promise<boolean>;
}

export interface RemoteRunOptions extends RunOptions {
  /** Runs as root: by `sudo -n` where the login is not root. */
  readonly sudo?: boolean;
}

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
  /** Ends the login; what still runs there by `run` is hung up. Twice is fine. */
  close(): Promise<void>;
}

/**
 * Logs in by SSH: ssh_config, agent, key files and ProxyJump hold as for `ssh`; no passwords.
 * @throws ShipError E_HOST_UNREACHABLE, E_HOST_KEY_UNKNOWN, E_HOST_KEY_CHANGED, E_HOST_KEY_REVOKED, E_AUTHENTICATION,
 * E_SSH_CONFIG; all with exit status 3
 */
export function connect(_context: Context, _host: HostAddress, _options: ConnectOptions = {}): Promise<Connection> {
  return Promise.reject(new Error('under way'));
}
