import { X509Certificate } from 'node:crypto';
import type { Device } from '../device.ts';
import { authorityDirectory, authorityFile, type Authority } from './read-authority.ts';

/** What an authority is for, and what it has signed. */
export interface AuthorityDescription {
  readonly name: string;
  readonly fingerprint: string;
  /** ISO 8601, as all times here. */
  readonly until: string;
  /** As openssl prints its name constraints: `DNS:chat.home`; empty where it may sign for everybody. */
  readonly permits: readonly string[];
  /** Where phones fetch it; absent where the host has no web server. */
  readonly page?: string;
  readonly signed?: {
    readonly names: readonly string[];
    readonly until: string;
    /** Whether this authority has signed it, and it holds now. */
    readonly holds: boolean;
  };
}

export async function describeAuthority(device: Device, { certificate, fingerprint }: Authority): Promise<AuthorityDescription> {
  const page = await authorityPage(device);
  const signed = await authorityFile(device, 'signed/fullchain.pem');
  return {
    name: certificate.subject.replace(/^CN=/, ''),
    fingerprint,
    until: certificate.validToDate.toISOString(),
    permits: await permitsOf(device),
    ...(page === undefined ? {} : { page }),
    ...(signed === undefined ? {} : { signed: describeSigned(new X509Certificate(signed), certificate) }),
  };
}

function describeSigned(leaf: X509Certificate, authority: X509Certificate): NonNullable<AuthorityDescription['signed']> {
  const now = Date.now();
  const isCurrent = leaf.validFromDate.getTime() <= now && now < leaf.validToDate.getTime();
  return {
    names: (leaf.subjectAltName ?? '').split(', ').map((name) => name.replace(/^(?:DNS|IP Address):/, '')),
    until: leaf.validToDate.toISOString(),
    holds: isCurrent && leaf.checkIssued(authority) && leaf.verify(authority.publicKey),
  };
}

async function permitsOf({ connection }: Device): Promise<string[]> {
  const command = ['openssl', 'x509', '-noout', '-ext', 'nameConstraints', '-in', `${authorityDirectory}/ca.crt`];
  const { stdout } = await connection.run(command, { sudo: true, expect: [1] });
  const [, permitted = ''] = /Permitted:\n([^]*?)(?:\n *Excluded:|$)/.exec(stdout) ?? [];
  return permitted.split('\n').map((line) => line.trim()).filter((line) => line !== '');
}

/** The page that hands the authority out, as the host wrote it down. */
export async function authorityPage(device: Device): Promise<string | undefined> {
  const page = (await authorityFile(device, 'published'))?.trim();
  return page !== undefined && /^http:\/\/[\w.-]+\/ca\.html$/.test(page) ? page : undefined;
}
