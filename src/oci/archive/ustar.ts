/** The few tar records that an image archive needs, so that every byte of it is decided here (POSIX.1-1988 ustar). */

export const ustarBlockBytes = 512;
/** Largest size that eleven octal digits hold; beyond it GNU's base-256 form is used, which every engine reads. */
const octalLimit = 0o77777777777;

/** A header of a regular file: mode 0644, owner 0:0, time 0. `name` has at most 100 bytes. */
export function ustarHeader(name: string, sizeBytes: number): Buffer {
  const header = Buffer.alloc(ustarBlockBytes);
  if (Buffer.byteLength(name) > 100) throw new RangeError(`tar entry name over 100 bytes: ${name}`);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  if (sizeBytes <= octalLimit) {
    header.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124);
  } else {
    header.writeUInt8(0x80, 124);
    header.writeBigUInt64BE(BigInt(sizeBytes), 128);
  }
  header.write('00000000000\0', 136);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  writeUstarChecksum(header);
  return header;
}

/** Fills in the sum of all bytes of a header that is complete but for it; the field itself counts as blanks. */
export function writeUstarChecksum(header: Buffer): void {
  header.fill(' ', 148, 156);
  const checksum = header.reduce((sum, byte) => sum + byte, 0);
  header.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

/** Zeros up to the next block. */
export function ustarPadding(sizeBytes: number): Buffer {
  return Buffer.alloc((ustarBlockBytes - (sizeBytes % ustarBlockBytes)) % ustarBlockBytes);
}

/** Two empty blocks end an archive. */
export const ustarEnd: Buffer = Buffer.alloc(2 * ustarBlockBytes);
