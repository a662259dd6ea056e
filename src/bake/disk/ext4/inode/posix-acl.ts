import { corrupt, type Ext4Place } from '../ext4-error.ts';

const diskVersion = 1;
const kernelVersion = 2;
/** The tags of acl(5) whose entries name somebody; the others have no id. */
const named = { user: 0x02, group: 0x08 };
const known = [0x01, named.user, 0x04, named.group, 0x10, 0x20];
const noId = 0xffffffff;

/**
 * ext4 keeps an ACL with an id only where an entry has one; getxattr gives 8 bytes for each entry
 * (kernel, fs/ext4/acl.h and include/uapi/linux/posix_acl_xattr.h).
 * @throws ShipError E_EXT4
 */
export function kernelAcl(disk: Buffer, name: string, place: Ext4Place): Buffer {
  const wrong = (): Error => corrupt(`the extended attribute '${name}' is no access control list`, place);
  if (disk.length < 4 || disk.readUInt32LE(0) !== diskVersion) throw wrong();
  const parts = [Buffer.from([kernelVersion, 0, 0, 0])];
  for (let at = 4; at < disk.length; ) {
    if (at + 4 > disk.length) throw wrong();
    const tag = disk.readUInt16LE(at);
    const hasId = tag === named.user || tag === named.group;
    if (!known.includes(tag) || (hasId && at + 8 > disk.length)) throw wrong();
    const entry = Buffer.alloc(8);
    disk.copy(entry, 0, at, at + 4);
    entry.writeUInt32LE(hasId ? disk.readUInt32LE(at + 4) : noId, 4);
    parts.push(entry);
    at += hasId ? 8 : 4;
  }
  return Buffer.concat(parts);
}
