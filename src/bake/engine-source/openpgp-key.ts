import { createHash } from 'node:crypto';

const armor = /-----BEGIN PGP PUBLIC KEY BLOCK-----([\s\S]*?)-----END PGP PUBLIC KEY BLOCK-----/;
const publicKeyTag = 6;

/**
 * The fingerprint of the first primary key of an armored block, 40 upper-case hex digits; undefined for anything that is no
 * version-4 key. Who trusts a fingerprint may trust the key that has it (RFC 9580, sections 4.2, 5.5.4.2 and 6.2).
 */
export function keyFingerprint(text: string): string | undefined {
  const packets = dearmor(text);
  const body = packets && firstPacket(packets);
  if (body?.[0] !== 4) return undefined;
  const length = Buffer.alloc(2);
  length.writeUInt16BE(body.length);
  return createHash('sha1').update(Buffer.from([0x99])).update(length).update(body).digest('hex').toUpperCase();
}

function dearmor(text: string): Buffer | undefined {
  const [, block = ''] = armor.exec(text.replaceAll('\r\n', '\n')) ?? [];
  // Headers end at an empty line; the checksum begins with `=`.
  const lines = block.slice(block.indexOf('\n\n') + 2).split('\n');
  const bytes = Buffer.from(lines.filter((line) => !line.startsWith('=')).join(''), 'base64');
  return bytes.length > 0 ? bytes : undefined;
}

/** The body of the first packet, if it is a public key. */
function firstPacket(bytes: Buffer): Buffer | undefined {
  const [tag = 0, first = 0, second = 0] = bytes;
  let start: number;
  let length: number;
  if ((tag & 0x40) !== 0) {
    if ((tag & 0x3f) !== publicKeyTag) return undefined;
    if (first < 192) [start, length] = [2, first];
    else if (first < 224) [start, length] = [3, ((first - 192) << 8) + second + 192];
    else if (first === 255 && bytes.length >= 6) [start, length] = [6, bytes.readUInt32BE(2)];
    else return undefined;
  } else {
    const kind = tag & 3;
    if ((tag & 0x80) === 0 || (tag & 0x3c) >> 2 !== publicKeyTag || kind === 3) return undefined;
    const width = 1 << kind;
    if (bytes.length < 1 + width) return undefined;
    [start, length] = [1 + width, bytes.readUIntBE(1, width)];
  }
  return bytes.length >= start + length ? bytes.subarray(start, start + length) : undefined;
}
