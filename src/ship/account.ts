import type { AccountCommands } from '../site/model.ts';
import { ExitStatus, ShipError } from '../errors.ts';
import type { Secret } from '../secret.ts';
import { execCommand } from './current-release.ts';
import type { Device } from './device.ts';

export type AccountAction = 'add' | 'passwd' | 'list';

export interface AccountRequest {
  readonly action: AccountAction;
  /** `user@domain`; for `list` the domain alone is enough. */
  readonly jid: string;
  readonly password?: Secret;
}

/** A JID of an account (RFC 7622, without the resource), narrowly: what every server and shell takes. */
const jidPattern = /^[\p{L}\p{N}._+-]+@[a-z0-9.-]+$/u;

/**
 * Runs one of the recipe's account commands in its service's container, or as the service where there is no engine; the password travels on standard input only.
 * @throws ShipError E_BAD_JID, E_NO_ACCOUNTS (the recipe has no such commands), E_REMOTE_COMMAND_FAILED
 */
export async function runAccountCommand(device: Device, accounts: AccountCommands | undefined, project: string, request: AccountRequest): Promise<string> {
  if (!accounts) {
    throw new ShipError({
      code: 'E_NO_ACCOUNTS',
      message: 'The recipe of this release has no account commands',
      remedy: 'Add `accounts` to recipe.yaml, or use `prose-ship exec`.',
      exitStatus: ExitStatus.usage,
    });
  }
  if (request.action !== 'list' && !jidPattern.test(request.jid)) {
    throw new ShipError({
      code: 'E_BAD_JID',
      message: `'${request.jid}' is not the address of an account`,
      remedy: 'It looks like name@domain, in lower case.',
      exitStatus: ExitStatus.usage,
    });
  }
  const { command, input } = accounts[request.action];
  const fill = (text: string) => text.replaceAll('{jid}', request.jid).replaceAll('{domain}', request.jid.replace(/^.*@/, ''));
  const result = await device.connection.run([...execCommand(device, project), accounts.service, ...command.map(fill)], {
    sudo: true,
    input: fill(input).replaceAll('{password}', request.password?.reveal() ?? ''),
  });
  return result.stdout;
}
