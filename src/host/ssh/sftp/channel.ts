import SftpClient from 'ssh2-sftp-client';
import type { Client, SFTPWrapper } from 'ssh2';
import { ExitStatus, ShipError } from '../../../errors.ts';
import type { Session } from '../session.ts';

/** Status codes of SFTP version 3 (draft-ietf-secsh-filexfer-02, section 7). */
export const SftpStatus = { noSuchFile: 2, permissionDenied: 3, failure: 4, unsupported: 8 } as const;

/**
 * ssh2-sftp-client over a login that stands already: by itself it would log in a second time, with its own host key
 * and its own touch of a security key. It uses these two properties and nothing else of what its `connect` sets up.
 */
export class SharedSftpClient extends SftpClient {
  readonly client: Client;
  readonly sftp: SFTPWrapper;

  constructor(client: Client, sftp: SFTPWrapper) {
    super('sftp', {});
    this.client = client;
    this.sftp = sftp;
  }
}

/** The SFTP channel of a session, opened when it is first needed and again when it has ended. */
export class SftpChannel {
  readonly session: Session;
  #open: Promise<SharedSftpClient> | undefined;

  constructor(session: Session) {
    this.session = session;
  }

  /** @throws ShipError E_NO_SFTP when the host's SSH server offers none */
  client(): Promise<SharedSftpClient> {
    return (this.#open ??= this.#connect().catch((error: unknown) => {
      this.#open = undefined;
      throw error;
    }));
  }

  async #connect(): Promise<SharedSftpClient> {
    try {
      const sftp = await this.session.guard(() => this.session.ssh.requestSFTP());
      sftp.on('error', () => {}); // operations under way fail by themselves
      sftp.once('close', () => {
        this.#open = undefined;
      });
      return new SharedSftpClient(this.session.client, sftp);
    } catch (error) {
      if (error instanceof ShipError) throw error;
      throw new ShipError({
        code: 'E_NO_SFTP',
        message: `${this.session.name} offers no SFTP`,
        remedy: 'Install openssh-sftp-server there, or put `Subsystem sftp internal-sftp` into its sshd_config.',
        exitStatus: ExitStatus.preflight,
        cause: error,
      });
    }
  }
}

/** A request of the raw protocol as a promise; `start` may throw for extensions that the server does not have. */
export function request<T = void>(start: (callback: (error?: Error | null, result?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, result) => {
      if (error) reject(error);
      else resolve(result as T);
    });
  });
}

export function statusOf(error: unknown): number | string | undefined {
  return (error as { code?: number | string } | undefined)?.code;
}

/** ssh2 throws this, without a status, before anything is sent. */
export function isMissingExtension(error: unknown): boolean {
  return error instanceof Error && statusOf(error) === undefined && error.message.includes('does not support this extended request');
}
