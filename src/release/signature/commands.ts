import type { Context } from '../../context.ts';
import type { Command } from '../../host/process.ts';
import { signatureNamespace } from '../../site/allowed-signers.ts';

/** ssh-keygen's messages are read, so they must be those of the C locale. */
const env = { LC_ALL: 'C' };

/**
 * Writes FILE.sig beside the file. `keyFile` is a private key, or a public one whose private half an agent holds. A
 * passphrase is asked for by the agent, SSH_ASKPASS or the terminal.
 */
export function sshSign(keyFile: string, file: string, { environment }: Pick<Context, 'environment'>): Command {
  // OpenSSH asks the terminal first, where our progress is drawn, and without a display does not ask SSH_ASKPASS at all.
  const mayAsk = environment['SSH_ASKPASS'] !== undefined && environment['SSH_ASKPASS_REQUIRE'] === undefined;
  return {
    program: 'ssh-keygen',
    args: ['-Y', 'sign', '-f', keyFile, '-n', signatureNamespace, '--', file],
    env: { ...env, ...(mayAsk ? { SSH_ASKPASS_REQUIRE: 'force' } : {}) },
  };
}

/** Whether the signature fits what comes on standard input, whoever made it. */
export function sshCheck(signatureFile: string): Command {
  return { program: 'ssh-keygen', args: ['-Y', 'check-novalidate', '-n', signatureNamespace, '-s', signatureFile], env };
}

/** Prints the names, one a line, that the signature's key has in a file of allowed signers. */
export function sshFindPrincipals(signatureFile: string, signersFile: string): Command {
  return { program: 'ssh-keygen', args: ['-Y', 'find-principals', '-s', signatureFile, '-f', signersFile], env };
}

/** Whether that name may sign for us now, and has signed what comes on standard input. */
export function sshVerify(signatureFile: string, signersFile: string, principal: string): Command {
  return { program: 'ssh-keygen', args: ['-Y', 'verify', '-n', signatureNamespace, '-s', signatureFile, '-f', signersFile, '-I', principal], env };
}
