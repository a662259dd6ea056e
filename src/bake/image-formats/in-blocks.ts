/**
 * The same bytes in blocks of one size; the last may be shorter. Each block is valid only until the next is asked for:
 * there is one buffer, which `buffer` may bring along.
 */
export async function* inBlocks(chunks: AsyncIterable<Buffer>, blockBytes: number, buffer: Buffer = Buffer.allocUnsafe(blockBytes)): AsyncGenerator<Buffer, void> {
  let filled = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(buffer, filled, at, at + blockBytes - filled);
      at += copied;
      filled += copied;
      if (filled === blockBytes) {
        yield buffer.subarray(0, blockBytes);
        filled = 0;
      }
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}
