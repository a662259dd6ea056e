import { ExitStatus, ShipError } from '../../../errors.ts';
import type { DiskReader } from '../disk-file.ts';
import { crc32c } from './crc.ts';
import { corrupt, refused } from './ext4-error.ts';
import { featureNames, refuseUnreadable } from './features.ts';

/** The superblock (kernel, Documentation/filesystems/ext4/super.rst), checked so far that all divisions and sizes are sound. */
export interface Superblock {
  readonly uuid: string;
  readonly label: string;
  readonly hashSeed: string;
  readonly features: readonly string[];
  readonly blockBytes: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly reservedBlocks: number;
  /** 1 where blocks have 1024 bytes, as block 0 is the boot sector then. */
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  /** Blocks that one bit of a block bitmap stands for; 1 without bigalloc. */
  readonly clusterBlocks: number;
  readonly groups: number;
  readonly inodes: number;
  readonly inodesPerGroup: number;
  readonly inodeBytes: number;
  readonly firstInode: number;
  readonly journalInode: number;
  readonly descriptorBytes: number;
  readonly reservedDescriptorBlocks: number;
  readonly firstMetaGroup: number;
  /** Groups with a copy of the superblock under sparse_super2. */
  readonly backupGroups: readonly number[];
  /** What all checksums of metadata start with; undefined without metadata_csum. */
  readonly checksumSeed: number | undefined;
  readonly uuidBytes: Buffer;
  has(feature: string): boolean;
}

const startBytes = 1024;
const sizeBytes = 1024;
const magic = 0xef53;

/**
 * @throws ShipError E_EXT4 when it is none, is damaged, reaches past the end of the partition, or has features that cannot
 * be read
 */
export async function readSuperblock(partition: DiskReader): Promise<Superblock> {
  if (partition.sizeBytes < startBytes + sizeBytes) throw notExt4(`it has only ${partition.sizeBytes} bytes`);
  const raw = await partition.read(startBytes, sizeBytes);
  if (raw.readUInt16LE(0x38) !== magic) throw notExt4('there is no superblock');
  const u32 = (offset: number): number => raw.readUInt32LE(offset);
  const revision = u32(0x4c);
  const words = revision === 0 ? { compat: 0, incompat: 0, roCompat: 0 } : { compat: u32(0x5c), incompat: u32(0x60), roCompat: u32(0x64) };
  const features = featureNames(words);
  const has = (feature: string): boolean => features.includes(feature);
  if (has('metadata_csum') && crc32c(0xffffffff, raw.subarray(0, 0x3fc)) !== u32(0x3fc)) throw wrong('its checksum does not match');
  refuseUnreadable(words);

  const wide = has('64bit');
  const high = (offset: number): number => (wide ? u32(offset) * 2 ** 32 : 0);
  const blockBytes = 1024 * 2 ** u32(0x18);
  const clusterBlocks = has('bigalloc') ? 2 ** (u32(0x1c) - u32(0x18)) : 1;
  const blocks = u32(0x04) + high(0x150);
  const firstDataBlock = u32(0x14);
  const blocksPerGroup = u32(0x20);
  const uuidBytes = Buffer.from(raw.subarray(0x68, 0x78));
  const superblock: Superblock = {
    uuid: formatUuid(uuidBytes),
    label: textOf(raw.subarray(0x78, 0x88)),
    hashSeed: formatUuid(raw.subarray(0xec, 0xfc)),
    features,
    blockBytes,
    blocks,
    freeBlocks: u32(0x0c) + high(0x158),
    reservedBlocks: u32(0x08) + high(0x154),
    firstDataBlock,
    blocksPerGroup,
    clusterBlocks,
    groups: Math.ceil((blocks - firstDataBlock) / blocksPerGroup),
    inodes: u32(0x00),
    inodesPerGroup: u32(0x28),
    inodeBytes: revision === 0 ? 128 : raw.readUInt16LE(0x58),
    firstInode: revision === 0 ? 11 : u32(0x54),
    journalInode: u32(0xe0),
    descriptorBytes: wide ? raw.readUInt16LE(0xfe) : 32,
    reservedDescriptorBlocks: raw.readUInt16LE(0xce),
    firstMetaGroup: u32(0x104),
    backupGroups: [u32(0x24c), u32(0x250)],
    checksumSeed: has('metadata_csum') ? (has('metadata_csum_seed') ? u32(0x270) : crc32c(0xffffffff, uuidBytes)) : undefined,
    uuidBytes,
    has,
  };
  checkGeometry(superblock, partition);
  return superblock;
}

function checkGeometry(s: Superblock, partition: DiskReader): void {
  if (!(s.blockBytes <= 65536)) throw wrong(`a block size of ${s.blockBytes} bytes`);
  if (!(s.clusterBlocks >= 1 && s.clusterBlocks <= 65536)) throw wrong(`clusters of ${s.clusterBlocks} blocks`);
  if (s.firstDataBlock !== (s.blockBytes === 1024 && s.clusterBlocks === 1 ? 1 : 0)) throw wrong(`first data block ${s.firstDataBlock}`);
  if (s.blocks <= s.firstDataBlock) throw wrong(`${s.blocks} blocks`);
  const mostPerGroup = s.blockBytes * 8;
  if (s.blocksPerGroup < 8 || s.blocksPerGroup % s.clusterBlocks !== 0 || s.blocksPerGroup / s.clusterBlocks > mostPerGroup) {
    throw wrong(`${s.blocksPerGroup} blocks in a group`);
  }
  if (s.inodesPerGroup < 1 || s.inodesPerGroup > mostPerGroup) throw wrong(`${s.inodesPerGroup} inodes in a group`);
  if (s.inodes !== s.inodesPerGroup * s.groups) throw wrong(`${s.inodes} inodes in ${s.groups} groups of ${s.inodesPerGroup}`);
  if (!isPowerOfTwo(s.inodeBytes) || s.inodeBytes < 128 || s.inodeBytes > s.blockBytes) throw wrong(`inodes of ${s.inodeBytes} bytes`);
  if (!isPowerOfTwo(s.descriptorBytes) || s.descriptorBytes < 32 || s.descriptorBytes > 1024) {
    throw wrong(`group descriptors of ${s.descriptorBytes} bytes`);
  }
  if (s.freeBlocks > s.blocks) throw wrong(`${s.freeBlocks} of ${s.blocks} blocks are free`);
  if (s.blocks * s.blockBytes > partition.sizeBytes) throw truncated(s.blocks * s.blockBytes, partition.sizeBytes);
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}

function wrong(what: string): ShipError {
  return corrupt(`the superblock says something impossible: ${what}`, { offset: startBytes });
}

function notExt4(why: string): ShipError {
  return refused(`The partition holds no ext4 file system: ${why}`, 'Choose an image whose root partition is ext4.');
}

function truncated(wantedBytes: number, partitionBytes: number): ShipError {
  return new ShipError({
    code: 'E_EXT4',
    message: `The ext4 file system has ${wantedBytes} bytes, but its partition only ${partitionBytes}`,
    remedy: 'The image was not copied or downloaded whole, or its partition was cut: fetch it again.',
    exitStatus: ExitStatus.usage,
  });
}

function formatUuid(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function textOf(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.subarray(0, end < 0 ? bytes.length : end).toString('utf8');
}
