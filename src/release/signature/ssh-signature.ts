import { createHash } from 'node:crypto';

/** What a signature says about itself, before anything is proven (OpenSSH, PROTOCOL.sshsig). */
export interface SshSignature {
  /** `ssh-ed25519` */
  readonly keyType: string;
  /** Base64, as the second word of a .pub file. */
  readonly publicKey: string;
  /** `SHA256:...`, as OpenSSH prints it. */
  readonly fingerprint: string;
  readonly namespace: string;
}

const armor = /^-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)-----END SSH SIGNATURE-----\n?$/;
const magic = 'SSHSIG';
const knownVersion = 1;

/** Reads an armored signature; undefined when it is none. */
export function parseSshSignature(text: string): SshSignature | undefined {
  const [, body] = armor.exec(text.replaceAll('\r\n', '\n')) ?? [];
  const bytes = Buffer.from(body ?? '', 'base64');
  const head = magic.length + 4;
  if (bytes.length < head || bytes.toString('latin1', 0, magic.length) !== magic || bytes.readUInt32BE(magic.length) !== knownVersion) return undefined;
  const key = stringAt(bytes, head);
  const namespace = key && stringAt(bytes, head + 4 + key.length);
  const keyType = key && stringAt(key, 0);
  if (!key || !namespace || !keyType) return undefined;
  const digest = createHash('sha256').update(key).digest('base64').replace(/=+$/, '');
  return { keyType: keyType.toString('latin1'), publicKey: key.toString('base64'), fingerprint: `SHA256:${digest}`, namespace: namespace.toString('utf8') };
}

/** A length-prefixed string (RFC 4251 section 5); undefined when it reaches over the end. */
function stringAt(bytes: Buffer, at: number): Buffer | undefined {
  if (at + 4 > bytes.length) return undefined;
  const end = at + 4 + bytes.readUInt32BE(at);
  return end > bytes.length ? undefined : bytes.subarray(at + 4, end);
}
