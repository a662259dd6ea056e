import type { Context } from '../../context.ts';
import { ShipError } from '../../errors.ts';
import { run, type Command } from '../../host/process.ts';

/** Raspberry Pi's signing key since 2025-11-24, as they announce it; its primary key's fingerprint. */
export const raspberryPiKey = 'F4AADD86C4687D69AE04543E796C114AD12B2292';

export type SignatureOutcome =
  | { readonly kind: 'good' }
  /** Neither proven nor refuted: gpg or the key is missing. `message` says what to do about it. */
  | { readonly kind: 'unchecked'; readonly message: string };

/** No look-ups in key servers, no agent, no trust database: the fingerprint decides. */
export function gpgVerify(signatureFile: string, file: string): Command {
  return {
    program: 'gpg',
    args: [
      '--batch',
      '--no-tty',
      '--no-autostart',
      '--disable-dirmngr',
      '--no-auto-key-retrieve',
      '--trust-model=always',
      '--status-fd=1',
      '--verify',
      '--',
      signatureFile,
      file,
    ],
    env: { LC_ALL: 'C' },
  };
}

/**
 * Checks a detached signature with the user's own keys: it must be made by the key `fingerprint` or a subkey of it.
 * @throws ShipError E_SIGNATURE (wrong, by another key, by a revoked one, or no signature at all)
 */
export async function checkSignature(context: Context, file: string, signatureFile: string, name: string, fingerprint: string): Promise<SignatureOutcome> {
  try {
    const { stdout } = await run(context, gpgVerify(signatureFile, file), { expect: [1, 2] });
    return readGpgStatus(stdout, name, fingerprint);
  } catch (error) {
    if (!(error instanceof ShipError) || error.code !== 'E_COMMAND_NOT_FOUND') throw error;
    return { kind: 'unchecked', message: `The signature of '${name}' is not checked, because gpg is not installed: install gnupg.` };
  }
}

/**
 * Reads what `gpg --status-fd` printed (GnuPG, doc/DETAILS, "Format of the --status-fd output").
 * @throws ShipError E_SIGNATURE
 */
export function readGpgStatus(status: string, name: string, fingerprint: string): SignatureOutcome {
  const lines = status.split('\n').flatMap((line) => (line.startsWith('[GNUPG:] ') ? [line.slice(9).split(' ')] : []));
  const find = (...keywords: string[]): string[] | undefined => lines.find(([keyword]) => keywords.includes(keyword ?? ''));
  if (find('BADSIG')) throw signatureError(name, 'the signature does not belong to this file');
  if (find('REVKEYSIG')) throw signatureError(name, 'the key that signed it was revoked');
  const valid = lines.filter(([keyword]) => keyword === 'VALIDSIG');
  if (valid.length > 0) {
    // VALIDSIG: the key's fingerprint first, its primary key's last.
    const isExpected = valid.some(([, key, ...rest]) => key === fingerprint || rest.at(-1) === fingerprint);
    if (isExpected && !find('EXPSIG')) return { kind: 'good' };
    throw signatureError(name, isExpected ? 'the signature has expired' : `it was signed by ${valid[0]?.[1] ?? 'another key'}, not by ${fingerprint}`);
  }
  const missing = find('NO_PUBKEY');
  if (missing) {
    const message = `The signature of '${name}' is not checked, because the key that signed it (${missing[1] ?? 'unknown'}) is not in your keyring: get the signer's key with \`gpg --recv-keys ${fingerprint}\` and compare its fingerprint.`;
    return { kind: 'unchecked', message };
  }
  throw signatureError(name, 'what lies beside it is no signature');
}

function signatureError(name: string, why: string): ShipError {
  return new ShipError({
    code: 'E_SIGNATURE',
    message: `'${name}' is not signed as it should be: ${why}`,
    remedy: 'Do not use it. Fetch it again from the publisher, by another connection if you can.',
  });
}
