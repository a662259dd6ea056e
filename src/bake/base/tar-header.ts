import { ustarBlockBytes, ustarPadding, writeUstarChecksum } from '../../oci/archive/ustar.ts';
import { encodeFileName } from '../disk/ext4/file-name.ts';

/** One member of an archive, as POSIX pax and GNU tar know them. */
export interface TarMember {
  /** Without a leading slash; directories end with one. */
  readonly path: string;
  readonly type: TarType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since 1970, and what counts up from them. */
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  /** Of the content that follows; 0 for all but files. */
  readonly sizeBytes: number;
  readonly linkTarget?: string;
  readonly deviceMajor?: number;
  readonly deviceMinor?: number;
  readonly xattrs: ReadonlyMap<string, Buffer>;
}

/** Type flags of ustar (POSIX.1-2017, pax, ustar Interchange Format). */
const typeFlags = { file: '0', hardlink: '1', symlink: '2', character: '3', block: '4', directory: '5', fifo: '6', pax: 'x' };
export type TarType = Exclude<keyof typeof typeFlags, 'pax'>;

const nameBytes = 100;

/**
 * The header of a member, with a pax header before it for what ustar has no room for: long or non-ASCII names, times with a
 * fraction, big numbers, and extended attributes (`SCHILY.xattr.NAME`, whose values are bytes: they are neither text nor end
 * at a zero; GNU tar, libarchive and Go's archive/tar read them so).
 */
export function tarHeader(member: TarMember): Buffer {
  const path = encodeFileName(member.path);
  const target = encodeFileName(member.linkTarget ?? '');
  const records: Buffer[] = [];
  const add = (keyword: string, value: Buffer | string): number => records.push(paxRecord(keyword, Buffer.from(value)));
  if (!fits(path)) add('path', path);
  if (!fits(target)) add('linkpath', target);
  if (member.uid > largest(8)) add('uid', String(member.uid));
  if (member.gid > largest(8)) add('gid', String(member.gid));
  if (member.sizeBytes > largest(12)) add('size', String(member.sizeBytes));
  if (member.mtimeNanoseconds !== 0 || member.mtimeSeconds < 0 || member.mtimeSeconds > largest(12)) {
    add('mtime', formatTime(member.mtimeSeconds, member.mtimeNanoseconds));
  }
  for (const [name, value] of member.xattrs) add(`SCHILY.xattr.${name}`, value);

  const header = ustar(member, typeFlags[member.type], path, target, member.sizeBytes);
  if (records.length === 0) return header;
  const pax = Buffer.concat(records);
  const paxPath = Buffer.concat([Buffer.from('PaxHeaders/'), path]);
  return Buffer.concat([ustar({ ...member, mode: 0o644 }, typeFlags.pax, paxPath, Buffer.alloc(0), pax.length), pax, ustarPadding(pax.length), header]);
}

/** `LENGTH KEYWORD=VALUE\n`, where the length counts its own digits too. */
function paxRecord(keyword: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${keyword}=`), value, Buffer.from('\n')]);
  let length = rest.length;
  while (rest.length + String(length).length > length) length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function ustar(member: TarMember, typeFlag: string, path: Buffer, target: Buffer, sizeBytes: number): Buffer {
  const header = Buffer.alloc(ustarBlockBytes);
  const octal = (value: number, offset: number, width: number): void => {
    const held = Math.min(Math.max(value, 0), largest(width));
    header.write(held.toString(8).padStart(width - 1, '0'), offset, 'latin1');
  };
  path.copy(header, 0, 0, nameBytes);
  octal(member.mode, 100, 8);
  octal(member.uid, 108, 8);
  octal(member.gid, 116, 8);
  octal(sizeBytes, 124, 12);
  octal(member.mtimeSeconds, 136, 12);
  header.write(typeFlag, 156, 'latin1');
  target.copy(header, 157, 0, nameBytes);
  header.write('ustar\x0000', 257, 'latin1');
  octal(member.deviceMajor ?? 0, 329, 8);
  octal(member.deviceMinor ?? 0, 337, 8);
  writeUstarChecksum(header);
  return header;
}

function fits(name: Buffer): boolean {
  return name.length <= nameBytes && name.every((byte) => byte < 0x80);
}

/** The largest number that a field of that width holds in octal digits with an end. */
function largest(width: number): number {
  return 8 ** (width - 1) - 1;
}

/** Decimal seconds; before 1970 they count down, while the fraction of a file system counts up. */
function formatTime(seconds: number, nanoseconds: number): string {
  const isBefore = seconds < 0 && nanoseconds > 0;
  const whole = isBefore ? -(seconds + 1) : seconds;
  const fraction = isBefore ? 1e9 - nanoseconds : nanoseconds;
  const decimals = fraction === 0 ? '' : `.${String(fraction).padStart(9, '0').replace(/0+$/, '')}`;
  return `${isBefore ? '-' : ''}${whole}${decimals}`;
}
