/** An entry of a directory, `.` and `..` left out. */
export interface FatEntry {
  readonly name: string;
  /** The 8.3 name, under which the file can be found, too. */
  readonly shortName: string;
  readonly directory: boolean;
  readonly sizeBytes: number;
  readonly firstCluster: number;
}

export interface FatDirectory {
  readonly entries: readonly FatEntry[];
  /** Of the entry that names the volume; only the root directory has one. */
  readonly label?: Buffer;
}

const entryBytes = 32;
const attribute = { volume: 0x08, directory: 0x10, longName: 0x0f } as const;
const deleted = 0xe5;
/** Bits of byte 12 where base or extension of an 8.3 name are lower case (Windows NT, Linux). */
const lowerCase = { base: 0x08, extension: 0x10 } as const;

/** Reads the bytes of a directory (FAT specification 1.03, "directory structure"). */
export function parseDirectory(bytes: Buffer): FatDirectory {
  const entries: FatEntry[] = [];
  let label: Buffer | undefined;
  let longName: LongName | undefined;
  for (let offset = 0; offset + entryBytes <= bytes.length; offset += entryBytes) {
    const raw = bytes.subarray(offset, offset + entryBytes);
    const first = raw.readUInt8(0);
    if (first === 0) break;
    const attributes = raw.readUInt8(11);
    if (first === deleted) {
      longName = undefined;
    } else if ((attributes & 0x3f) === attribute.longName) {
      longName = collect(longName, raw);
    } else {
      if (attributes & attribute.volume) label ??= raw.subarray(0, 11);
      else entries.push(parseEntry(raw, attributes, longName));
      longName = undefined;
    }
  }
  return { entries: entries.filter(({ shortName }) => shortName !== '.' && shortName !== '..'), ...(label ? { label } : {}) };
}

function parseEntry(raw: Buffer, attributes: number, longName: LongName | undefined): FatEntry {
  const shortName = readShortName(raw);
  const whole = longName?.next === 0 && longName.checksum === shortNameChecksum(raw);
  return {
    name: whole ? longName.units.toString('utf16le').replace(/\0.*$/s, '') : shortName,
    shortName,
    directory: (attributes & attribute.directory) !== 0,
    sizeBytes: raw.readUInt32LE(28),
    firstCluster: raw.readUInt16LE(20) * 0x10000 + raw.readUInt16LE(26),
  };
}

/** The parts of a long name stand before its entry, last part first. */
interface LongName {
  /** Number of the part that must come next; 0 when all are there. */
  readonly next: number;
  readonly checksum: number;
  readonly units: Buffer;
}

function collect(before: LongName | undefined, raw: Buffer): LongName | undefined {
  const order = raw.readUInt8(0);
  const number = order & 0x3f;
  const checksum = raw.readUInt8(13);
  const units = Buffer.concat([raw.subarray(1, 11), raw.subarray(14, 26), raw.subarray(28, 32)]);
  if (order & 0x40) return { next: number - 1, checksum, units };
  if (before?.next !== number || before.checksum !== checksum) return undefined;
  return { next: number - 1, checksum, units: Buffer.concat([units, before.units]) };
}

function readShortName(raw: Buffer): string {
  const name = Buffer.from(raw.subarray(0, 11));
  if (name.readUInt8(0) === 0x05) name.writeUInt8(deleted, 0); // a first character that looks like a deleted entry
  const flags = raw.readUInt8(12);
  const part = (from: number, to: number, lower: boolean) => {
    const text = name.toString('latin1', from, to).trimEnd();
    return lower ? text.toLowerCase() : text;
  };
  const base = part(0, 8, (flags & lowerCase.base) !== 0);
  const extension = part(8, 11, (flags & lowerCase.extension) !== 0);
  return extension ? `${base}.${extension}` : base;
}

function shortNameChecksum(raw: Buffer): number {
  return raw.subarray(0, 11).reduce((sum, byte) => (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff, 0);
}
