/** A run of bytes of a disk image that must be written; everything between two runs may hold anything. */
export interface MappedRange {
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** Lower-case hex over exactly these bytes; absent before it was computed. */
  readonly sha256?: string;
}

/** Which parts of an image a card needs (the content of a `.bmap` file). Ranges ascend, do not touch, and lie in whole blocks. */
export interface BlockMap {
  readonly imageSizeBytes: number;
  readonly blockSizeBytes: number;
  readonly ranges: readonly MappedRange[];
}

/** The bytes that are written at least. */
export function mappedBytes({ ranges }: BlockMap): number {
  return ranges.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
}
