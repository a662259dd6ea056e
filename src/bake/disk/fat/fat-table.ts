import type { DiskReader } from '../disk-file.ts';
import { badFat, type FatGeometry } from './boot-sector.ts';

/** Whole entries of 12, 16 and 32 bits fit in; a FAT may be too large to keep. */
const windowBytes = 48 * 1024;

/** The file allocation table: which cluster follows which. */
export interface FatTable {
  /** 0: free; 2 and more: the next one. */
  entry(cluster: number): Promise<number>;
  /** The clusters of a file or directory in order. @throws ShipError E_FAT for a broken or endless chain */
  chain(firstCluster: number): AsyncIterable<number>;
}

export function openFatTable(partition: DiskReader, { type, clusters, fatStartBytes }: FatGeometry): FatTable {
  let window: { index: number; bytes: Buffer } | undefined;
  const entriesPerWindow = (windowBytes * 8) / type;
  const tableBytes = Math.ceil(((clusters + 2) * type) / 8);

  async function entry(cluster: number): Promise<number> {
    const index = Math.floor(cluster / entriesPerWindow);
    if (window?.index !== index) {
      const start = index * windowBytes;
      window = { index, bytes: await partition.read(fatStartBytes + start, Math.min(windowBytes, tableBytes - start)) };
    }
    const at = cluster - index * entriesPerWindow;
    if (type === 32) return window.bytes.readUInt32LE(at * 4) & 0x0fff_ffff;
    if (type === 16) return window.bytes.readUInt16LE(at * 2);
    const pair = window.bytes.readUInt16LE(Math.floor((at * 3) / 2));
    return at % 2 === 0 ? pair & 0x0fff : pair >> 4;
  }

  const endOfChain = { 12: 0x0ff8, 16: 0xfff8, 32: 0x0fff_fff8 }[type];
  return {
    entry,
    async *chain(firstCluster) {
      let cluster = firstCluster;
      for (let count = 0; cluster < endOfChain; count += 1) {
        if (cluster < 2 || cluster >= clusters + 2) throw badFat(`a chain of the FAT leads to cluster ${cluster}, which is not there`);
        if (count === clusters) throw badFat(`the chain of the FAT from cluster ${firstCluster} on does not end`);
        yield cluster;
        cluster = await entry(cluster);
      }
    },
  };
}
