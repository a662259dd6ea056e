/** A run of bytes of a disk or partition. */
export interface ByteRange {
  readonly startBytes: number;
  readonly sizeBytes: number;
}

export function endOf({ startBytes, sizeBytes }: ByteRange): number {
  return startBytes + sizeBytes;
}

/** Ascending, in whole blocks (the last one may end with the disk), touching and overlapping ones made one. */
export function mergeRanges(ranges: readonly ByteRange[], blockBytes: number, diskBytes: number): ByteRange[] {
  const merged: { startBytes: number; sizeBytes: number }[] = [];
  for (const range of ranges.toSorted((a, b) => a.startBytes - b.startBytes)) {
    if (range.sizeBytes === 0) continue;
    const startBytes = Math.floor(range.startBytes / blockBytes) * blockBytes;
    const end = Math.min(Math.ceil(endOf(range) / blockBytes) * blockBytes, diskBytes);
    const last = merged.at(-1);
    if (last && startBytes <= endOf(last)) last.sizeBytes = Math.max(endOf(last), end) - last.startBytes;
    else merged.push({ startBytes, sizeBytes: end - startBytes });
  }
  return merged;
}

/** What lies between the ranges (ascending, not overlapping), and between the last one and the disk's end. */
export function gapsBetween(ranges: readonly ByteRange[], diskBytes: number): ByteRange[] {
  const gaps: ByteRange[] = [];
  let position = 0;
  for (const range of ranges) {
    if (range.startBytes > position) gaps.push({ startBytes: position, sizeBytes: range.startBytes - position });
    position = Math.max(position, endOf(range));
  }
  if (diskBytes > position) gaps.push({ startBytes: position, sizeBytes: diskBytes - position });
  return gaps;
}

/** Merges the smallest gaps first, as long as they add no more than `budgetBytes`; gaps over `largestGapBytes` stay. */
export function mergeSmallGaps(ranges: readonly ByteRange[], largestGapBytes: number, budgetBytes: number): ByteRange[] {
  const candidates = ranges
    .slice(1)
    .map((range, index) => ({ after: index, sizeBytes: range.startBytes - endOf(ranges[index] ?? range) }))
    .filter(({ sizeBytes }) => sizeBytes <= largestGapBytes)
    .sort((a, b) => a.sizeBytes - b.sizeBytes || a.after - b.after);
  const closed = new Set<number>();
  let left = budgetBytes;
  for (const { after, sizeBytes } of candidates) {
    if (sizeBytes > left) break;
    left -= sizeBytes;
    closed.add(after);
  }
  const merged: { startBytes: number; sizeBytes: number }[] = [];
  ranges.forEach((range, index) => {
    const last = merged.at(-1);
    if (last && closed.has(index - 1)) last.sizeBytes = endOf(range) - last.startBytes;
    else merged.push({ ...range });
  });
  return merged;
}
