/** The Castagnoli polynomial, reflected: checksums of the feature metadata_csum. */
const castagnoli = table(0x82f63b78);
/** CRC-16/ARC, reflected: group descriptors of the older feature uninit_bg. */
const arc = table(0xa001);

/** Continues a crc32c without the final inversion, as the kernel chains them; start with 0xffffffff. */
export function crc32c(seed: number, content: Uint8Array): number {
  return update(castagnoli, seed, content);
}

/** Continues a crc16; start with 0xffff. */
export function crc16(seed: number, content: Uint8Array): number {
  return update(arc, seed, content) & 0xffff;
}

/** Little-endian bytes of numbers of 32 bits, to put them into a checksum. */
export function le32(...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => buffer.writeUInt32LE(value >>> 0, index * 4));
  return buffer;
}

function update(steps: Uint32Array, seed: number, content: Uint8Array): number {
  let crc = seed >>> 0;
  for (const byte of content) crc = (steps[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return crc >>> 0;
}

function table(polynomial: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, value) => {
    let crc = value;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    return crc >>> 0;
  });
}
