import { ExitStatus, ShipError } from '../../errors.ts';

/** Where to log in: `address` is anything that `ssh` takes, ssh_config aliases included; the rest overrides ssh_config. */
export interface HostAddress {
  /** How messages call the host; default: its address. */
  readonly name?: string;
  readonly address: string;
  readonly user?: string;
  readonly port?: number;
}

/**
 * Reads a ProxyJump list: `[user@]host[:port]` or `ssh://[user@]host[:port]`, separated by commas (ssh_config(5)).
 * @throws ShipError E_SSH_CONFIG when a hop cannot be read
 */
export function parseJumps(list: string): readonly HostAddress[] {
  if (list === '' || list.toLowerCase() === 'none') return [];
  return list.split(',').map((hop) => {
    const match = /^(?:ssh:\/\/)?(?:(?<user>.+)@)?(?:\[(?<bracketed>[^\]]+)\]|(?<plain>[^:[\]]+))(?::(?<port>\d+))?\/?$/.exec(hop.trim());
    const address = match?.groups?.['bracketed'] ?? match?.groups?.['plain'];
    if (address === undefined) {
      throw new ShipError({
        code: 'E_SSH_CONFIG',
        message: `ProxyJump holds '${hop}', which is not [user@]host[:port]`,
        remedy: 'Correct ProxyJump in ssh_config.',
        exitStatus: ExitStatus.preflight,
      });
    }
    const user = match?.groups?.['user'];
    const port = match?.groups?.['port'];
    return { address, ...(user ? { user } : {}), ...(port ? { port: Number(port) } : {}) };
  });
}
