import { suggest } from '../yaml/nearest.ts';
import type { Refusal } from './words.ts';

/** Types that OpenSSH 10 accepts by default (ssh_config(5), PubkeyAcceptedAlgorithms), by the name inside the key. */
const keyTypes = [
  'ssh-ed25519',
  'ssh-rsa',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
];
const minimumRsaBits = 2048;
const code = 'E_BAD_KEY';
const example = "A line of a .pub file: 'ssh-ed25519 AAAA... name'. `ssh-keygen -t ed25519` makes a pair.";

/**
 * Judges one line of authorized_keys (sshd(8), AUTHORIZED_KEYS FILE FORMAT). Options before the key are refused, because
 * a forced command or an expiry date locks out the one login of a card. A private key is never shown.
 */
export function judgePublicKey(line: string): Refusal | undefined {
  if (/PRIVATE KEY/.test(line)) {
    return { code: 'E_PRIVATE_KEY', message: 'is a private key', remedy: 'Give the public one (the file that ends in .pub). If this file was shared or committed, make a new pair.', hidden: true };
  }
  if (/[\r\n]/.test(line.trim())) return { code, message: 'has more than one line', remedy: 'One entry of the list for each key.', hidden: true };
  const [type = '', data = ''] = line.trim().split(/[ \t]+/);
  if (type === 'ssh-dss') return { code, message: 'is a DSA key, which sshd refuses', remedy: 'Make another one: `ssh-keygen -t ed25519`.' };
  if (!keyTypes.includes(type)) return { code, message: 'is not a public key of OpenSSH', remedy: /^[a-z@.0-9-]+$/.test(type) && data.startsWith('AAAA') ? suggest(type, keyTypes, 'Types') : example };
  const bytes = Buffer.from(data, 'base64');
  if (data === '' || bytes.toString('base64').replaceAll('=', '') !== data.replaceAll('=', '')) return { code, message: 'has no base64 after its type', remedy: `${example} Was a part lost?` };
  const fields = readStrings(bytes);
  const inner = fields?.[0]?.toString('latin1');
  if (!fields || inner === undefined) return { code, message: 'is cut off', remedy: 'Copy the whole line of the .pub file.' };
  if (inner !== type) return { code, message: `says '${type}', but holds a key of another type`, remedy: 'Copy the whole line of the .pub file as it is.' };
  if (fields.length < (fieldCounts[type] ?? 3)) return { code, message: 'is cut off', remedy: 'Copy the whole line of the .pub file.' };
  if (type === 'ssh-ed25519' && fields[1]?.length !== 32) return { code, message: 'is cut off', remedy: 'Copy the whole line of the .pub file.' };
  const bits = type === 'ssh-rsa' ? bitLength(fields[2] ?? Buffer.alloc(0)) : minimumRsaBits;
  if (bits < minimumRsaBits) return { code, message: `is an RSA key of ${bits} bits`, remedy: `sshd wants ${minimumRsaBits} or more; better: \`ssh-keygen -t ed25519\`.` };
  return undefined;
}

/** Strings in the public part, the type included (RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709, PROTOCOL.u2f). */
const fieldCounts: Record<string, number> = { 'ssh-ed25519': 2 };

/** The length-prefixed strings (RFC 4251 section 5); undefined when one reaches over the end. */
function readStrings(bytes: Buffer): Buffer[] | undefined {
  const strings: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length) return undefined;
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) return undefined;
    strings.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return strings;
}

/** Of an mpint. */
function bitLength(bytes: Buffer): number {
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? 0 : (bytes.length - first) * 8 - Math.clz32(bytes[first] ?? 0) + 24;
}
