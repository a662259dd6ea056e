import type { DiskReader } from './disk-file.ts';
import { isFat } from './fat/boot-sector.ts';

/** What a file or partition holds, in words for an error; `kind` for decisions. */
export interface Contents {
  readonly kind: 'compressed' | 'virtual-disk' | 'archive' | 'file-system' | 'container' | 'fat' | 'ext4';
  /** `a btrfs file system`, `an xz-compressed file`. */
  readonly description: string;
}

interface Magic extends Contents {
  readonly offset: number;
  readonly bytes: Buffer;
}

const magic = (kind: Contents['kind'], description: string, offset: number, bytes: string | number[]): Magic => ({
  kind,
  description,
  offset,
  bytes: typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes),
});

/** In this order: a hybrid ISO has a partition table and boot code, too. Offsets as in util-linux' libblkid and file(1). */
const magics: readonly Magic[] = [
  magic('compressed', 'an xz-compressed file', 0, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]),
  magic('compressed', 'a zstd-compressed file', 0, [0x28, 0xb5, 0x2f, 0xfd]),
  magic('compressed', 'a gzip-compressed file', 0, [0x1f, 0x8b, 8]),
  magic('compressed', 'a bzip2-compressed file', 0, 'BZh'),
  magic('compressed', 'an lz4-compressed file', 0, [0x04, 0x22, 0x4d, 0x18]),
  magic('compressed', 'a zip archive', 0, [0x50, 0x4b, 3, 4]),
  magic('compressed', 'a 7z archive', 0, [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c]),
  magic('virtual-disk', 'a qcow2 disk of a virtual machine', 0, [0x51, 0x46, 0x49, 0xfb]),
  magic('virtual-disk', 'a VMDK disk of a virtual machine', 0, 'KDMV'),
  magic('virtual-disk', 'a VHDX disk of a virtual machine', 0, 'vhdxfile'),
  magic('archive', 'an ISO 9660 image (an installer for PCs)', 32_769, 'CD001'),
  magic('archive', 'a tar archive', 257, 'ustar'),
  magic('container', 'an encrypted LUKS container', 0, [0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe]),
  ...[0, 512, 1024, 1536].map((sector) => magic('container', 'an LVM physical volume', sector + 24, 'LVM2 001')),
  magic('container', 'a member of a Linux RAID', 4096, [0xfc, 0x4e, 0x2b, 0xa9]),
  magic('file-system', 'a squashfs file system', 0, 'hsqs'),
  magic('file-system', 'an XFS file system', 0, 'XFSB'),
  magic('file-system', 'an NTFS file system', 3, 'NTFS    '),
  magic('file-system', 'an exFAT file system', 3, 'EXFAT   '),
  magic('file-system', 'an EROFS file system', 1024, [0xe2, 0xe1, 0xf5, 0xe0]),
  magic('file-system', 'an f2fs file system', 1024, [0x10, 0x20, 0xf5, 0xf2]),
  magic('file-system', 'a btrfs file system', 65_600, '_BHRfS_M'),
  magic('file-system', 'swap space', 4086, 'SWAPSPACE2'),
];

const extMagic = { offset: 1024 + 56, value: 0xef53 };
/** Features that ext3 has not: extents and what came with them (kernel documentation, ext4 super block, s_feature_incompat). */
const ext4Incompatible = 0x40 | 0x80 | 0x200;

/** Looks at magic numbers only; undefined: nothing known. */
export async function identifyContents(reader: DiskReader): Promise<Contents | undefined> {
  const head = await reader.read(0, Math.min(reader.sizeBytes, 66 * 1024));
  const found = magics.find(({ offset, bytes }) => head.subarray(offset, offset + bytes.length).equals(bytes));
  if (found) return { kind: found.kind, description: found.description };
  if (head.length >= 2048 && head.readUInt16LE(extMagic.offset) === extMagic.value) return identifyExt(head);
  return isFat(head) ? { kind: 'fat', description: 'a FAT file system' } : undefined;
}

function identifyExt(head: Buffer): Contents {
  if (head.readUInt32LE(1024 + 96) & ext4Incompatible) return { kind: 'ext4', description: 'an ext4 file system' };
  const journal = (head.readUInt32LE(1024 + 92) & 0x4) !== 0;
  return { kind: 'file-system', description: journal ? 'an ext3 file system' : 'an ext2 file system' };
}
