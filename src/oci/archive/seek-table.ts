/**
 * The seek table of the zstd seekable format (facebook/zstd, contrib/seekable_format/zstd_seekable_compression_format.md,
 * version 0.1.0): a skippable frame at the end of the file which lists the sizes of all frames before it. Decoders that
 * do not know it skip it.
 */
export interface Frame {
  readonly compressedBytes: number;
  readonly decompressedBytes: number;
}

const skippableMagic = 0x184d2a5e;
const seekableMagic = 0x8f92eab1;
const headerBytes = 8;
const entryBytes = 8;
/** Number of frames (4), descriptor (1), magic (4). */
export const footerBytes = 9;
/** Sizes are 32-bit; frames stay well below. */
export const largestFrameBytes = 1024 ** 3;

export function encodeSeekTable(frames: readonly Frame[]): Buffer {
  const table = Buffer.alloc(headerBytes + frames.length * entryBytes + footerBytes);
  table.writeUInt32LE(skippableMagic, 0);
  table.writeUInt32LE(table.length - headerBytes, 4);
  let at = headerBytes;
  for (const { compressedBytes, decompressedBytes } of frames) {
    table.writeUInt32LE(compressedBytes, at);
    table.writeUInt32LE(decompressedBytes, at + 4);
    at += entryBytes;
  }
  table.writeUInt32LE(frames.length, at);
  table.writeUInt8(0, at + 4); // no checksums per entry: every frame carries its own
  table.writeUInt32LE(seekableMagic, at + 5);
  return table;
}

/** How long the whole table is, told from the last `footerBytes` of a file; undefined where there is none of ours. */
export function seekTableLength(footer: Buffer): number | undefined {
  if (footer.length !== footerBytes || footer.readUInt32LE(5) !== seekableMagic || footer.readUInt8(4) !== 0) return undefined;
  return headerBytes + footer.readUInt32LE(0) * entryBytes + footerBytes;
}

/** Undefined where the bytes are not a seek table. */
export function decodeSeekTable(table: Buffer): readonly Frame[] | undefined {
  if (table.length < headerBytes + footerBytes || table.readUInt32LE(0) !== skippableMagic) return undefined;
  if (table.readUInt32LE(4) !== table.length - headerBytes) return undefined;
  if (seekTableLength(table.subarray(-footerBytes)) !== table.length) return undefined;
  const frames: Frame[] = [];
  for (let at = headerBytes; at < table.length - footerBytes; at += entryBytes) {
    frames.push({ compressedBytes: table.readUInt32LE(at), decompressedBytes: table.readUInt32LE(at + 4) });
  }
  return frames;
}
