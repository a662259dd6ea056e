/** What O_DIRECT asks for at most: the page. */
const alignmentBytes = 4096;
/** glibc puts large buffers 16 bytes into a page, so this offset is the right one nearly always. */
const likelyOffset = alignmentBytes - 16;
const stepBytes = 16;

/**
 * A buffer that the kernel takes for O_DIRECT. JavaScript cannot see addresses, so places in a larger buffer are tried
 * until `probe` reports that the kernel did not say EINVAL; undefined where none does.
 * @param probe reads or writes the first 4096 bytes of the candidate; buffers stay where they are, so the answer holds
 */
export async function alignedBuffer(sizeBytes: number, probe: (candidate: Buffer) => Promise<unknown>): Promise<Buffer | undefined> {
  const whole = Buffer.allocUnsafeSlow(sizeBytes + alignmentBytes);
  for (let step = 0; step < alignmentBytes; step += stepBytes) {
    const offset = (likelyOffset + step) % alignmentBytes;
    const candidate = whole.subarray(offset, offset + sizeBytes);
    try {
      await probe(candidate);
      return candidate;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
    }
  }
  return undefined;
}
