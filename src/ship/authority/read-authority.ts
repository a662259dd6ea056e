import { X509Certificate } from 'node:crypto';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { Device } from '../device.ts';

/** Where a host keeps a private authority; the recipe's script on the host makes and renews what is there (docs/recipes/intranet.md). */
export const authorityDirectory = '/etc/prose/authority';

/** The certificate of a host's private authority; its key stays on the host. */
export interface Authority {
  readonly certificate: X509Certificate;
  /** SHA-256, as openssl and browsers print it: `AB:CD:...`. */
  readonly fingerprint: string;
}

/** A file of the authority's folder; `undefined` where there is none. */
export async function authorityFile({ connection }: Device, name: string): Promise<string | undefined> {
  const { exitCode, stdout } = await connection.run(['cat', `${authorityDirectory}/${name}`], { sudo: true, expect: [1] });
  return exitCode === 0 ? stdout : undefined;
}

/**
 * @param expected the fingerprint that it must have, in any notation
 * @throws ShipError E_NO_AUTHORITY, E_AUTHORITY_INVALID (no certificate of an authority, or not one of its own), E_AUTHORITY_FINGERPRINT
 */
export async function readAuthority(device: Device, expected?: string): Promise<Authority> {
  const text = await authorityFile(device, 'ca.crt');
  const host = device.host.name;
  if (text === undefined) {
    throw new ShipError({
      code: 'E_NO_AUTHORITY',
      message: `${host} has no authority of its own`,
      remedy: 'A site with `certificates: private` (the profile intranet of the recipe prosody) has one, two minutes after its first update.',
      exitStatus: ExitStatus.preflight,
    });
  }
  const certificate = parse(text, host);
  const fingerprint = certificate.fingerprint256;
  if (expected !== undefined && plain(expected) !== plain(fingerprint)) {
    throw new ShipError({
      code: 'E_AUTHORITY_FINGERPRINT',
      message: `The authority of ${host} has the fingerprint ${fingerprint}, not ${expected}`,
      remedy: 'It was made anew, or this is another host. Find out which before clients are told to trust it.',
      exitStatus: ExitStatus.preflight,
    });
  }
  return { certificate, fingerprint };
}

/** Hexadecimal digits alone. */
function plain(fingerprint: string): string {
  return fingerprint.replace(/^sha-?256[:=\s]/i, '').replaceAll(/[:\s]/g, '').toUpperCase();
}

function parse(text: string, host: string): X509Certificate {
  const invalid = (why: string) => new ShipError({
    code: 'E_AUTHORITY_INVALID',
    message: `${authorityDirectory}/ca.crt on ${host} ${why}`,
    remedy: 'Bring the folder back from its backup. Where there is none: move it away, and the host makes another authority, which all clients must be given.',
    exitStatus: ExitStatus.failed,
  });
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(text);
  } catch {
    throw invalid('is not a certificate');
  }
  if (!certificate.ca || !certificate.verify(certificate.publicKey)) throw invalid('is not the certificate of an authority');
  return certificate;
}
