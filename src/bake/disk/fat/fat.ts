import type { ByteRange } from '../byte-ranges.ts';
import type { DiskReader } from '../disk-file.ts';
import { badFat, fatLabel, readGeometry, type FatGeometry } from './boot-sector.ts';
import { parseDirectory, type FatDirectory, type FatEntry } from './directory.ts';
import { openFatTable, type FatTable } from './fat-table.ts';

export interface FatInfo {
  readonly type: 12 | 16 | 32;
  /** Without padding; '' where there is none. */
  readonly label: string;
  /** 8 lower-case hex digits; tools show them as `1234-ABCD`. */
  readonly volumeId: string;
  readonly clusterBytes: number;
}

/** @throws ShipError E_FAT when the partition holds no FAT file system, or a damaged one */
export async function readFatInfo(partition: DiskReader): Promise<FatInfo> {
  const volume = await openVolume(partition);
  const { type, volumeId, clusterBytes, label } = volume.geometry;
  const root = await readDirectory(volume, undefined);
  return { type, label: root.label ? fatLabel(root.label) : label, volumeId, clusterBytes };
}

/**
 * The content of a file; undefined when there is none of this name. Names are compared as FAT does: long or short, without
 * regard to case; `path` has slashes, with or without one at its beginning. The file is in memory whole.
 * @throws ShipError E_FAT
 */
export async function readFatFile(partition: DiskReader, path: string): Promise<Buffer | undefined> {
  const volume = await openVolume(partition);
  const entry = await find(volume, path);
  if (!entry || entry === 'root' || entry.directory) return undefined;
  if (entry.sizeBytes > partition.sizeBytes) throw badFat(`the file '${path}' claims ${entry.sizeBytes} bytes`);
  return readChain(volume, entry.firstCluster, entry.sizeBytes, path);
}

/**
 * What a directory holds, in its order ('' or '/': the root); undefined when there is no such directory.
 * @throws ShipError E_FAT
 */
export async function listFat(partition: DiskReader, path: string): Promise<readonly FatEntry[] | undefined> {
  const volume = await openVolume(partition);
  const entry = await find(volume, path);
  if (!entry || (entry !== 'root' && !entry.directory)) return undefined;
  return (await readDirectory(volume, entry === 'root' ? undefined : entry)).entries;
}

/**
 * What a copy must hold: reserved sectors, FATs, root directory and the allocated clusters, in whole sectors, ascending,
 * merged. Clusters of a free entry may hold anything.
 * @throws ShipError E_FAT
 */
export async function usedFatRanges(partition: DiskReader): Promise<ByteRange[]> {
  const { geometry, table } = await openVolume(partition);
  const { dataStartBytes, clusterBytes, clusters } = geometry;
  const ranges: { startBytes: number; sizeBytes: number }[] = [{ startBytes: 0, sizeBytes: dataStartBytes }];
  for (let cluster = 2; cluster < clusters + 2; cluster += 1) {
    if ((await table.entry(cluster)) === 0) continue;
    const startBytes = dataStartBytes + (cluster - 2) * clusterBytes;
    const last = ranges.at(-1);
    if (last && last.startBytes + last.sizeBytes === startBytes) last.sizeBytes += clusterBytes;
    else ranges.push({ startBytes, sizeBytes: clusterBytes });
  }
  return ranges;
}

interface Volume {
  readonly partition: DiskReader;
  readonly geometry: FatGeometry;
  readonly table: FatTable;
}

async function openVolume(partition: DiskReader): Promise<Volume> {
  const geometry = await readGeometry(partition);
  return { partition, geometry, table: openFatTable(partition, geometry) };
}

async function find(volume: Volume, path: string): Promise<FatEntry | 'root' | undefined> {
  let found: FatEntry | 'root' = 'root';
  for (const name of path.split('/').filter(Boolean)) {
    if (found !== 'root' && !found.directory) return undefined;
    const { entries }: FatDirectory = await readDirectory(volume, found === 'root' ? undefined : found);
    const wanted = name.toUpperCase();
    const next = entries.find((entry) => entry.name.toUpperCase() === wanted || entry.shortName.toUpperCase() === wanted);
    if (!next) return undefined;
    found = next;
  }
  return found;
}

/** Undefined: the root directory, which FAT12 and FAT16 keep outside of the clusters. */
async function readDirectory(volume: Volume, entry: FatEntry | undefined): Promise<FatDirectory> {
  const { partition, geometry } = volume;
  if (entry) return parseDirectory(await readChain(volume, entry.firstCluster, undefined, entry.name));
  if (geometry.type !== 32) return parseDirectory(await partition.read(geometry.rootStartBytes, geometry.rootBytes));
  return parseDirectory(await readChain(volume, geometry.rootCluster, undefined, 'the root directory'));
}

/** A directory has at most 65,536 entries of 32 bytes. */
const mostDirectoryBytes = 2 * 1024 * 1024;

async function readChain(volume: Volume, firstCluster: number, sizeBytes: number | undefined, name: string): Promise<Buffer> {
  const { partition, geometry, table } = volume;
  const { dataStartBytes, clusterBytes } = geometry;
  const parts: Buffer[] = [];
  const wantedBytes = sizeBytes ?? mostDirectoryBytes + 1;
  let done = 0;
  if (wantedBytes > 0) {
    for await (const cluster of table.chain(firstCluster)) {
      const length = Math.min(clusterBytes, wantedBytes - done);
      parts.push(await partition.read(dataStartBytes + (cluster - 2) * clusterBytes, length));
      done += length;
      if (done === wantedBytes) break;
    }
  }
  if (sizeBytes === undefined && done > mostDirectoryBytes) throw badFat(`the directory '${name}' does not end`);
  if (sizeBytes !== undefined && done < sizeBytes) throw badFat(`'${name}' has ${sizeBytes} bytes, its clusters hold ${done}`);
  return Buffer.concat(parts);
}
