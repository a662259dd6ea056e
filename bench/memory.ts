import { randomFillSync } from 'node:crypto';
import { mkdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { MediaType } from '../src/oci/descriptor.ts';
import { run } from '../src/host/process.ts';
import { writeBlob } from '../src/oci/layout.ts';
import { asMebibytes, type Bench } from './bench.ts';
import { writeImage } from './sample/image.ts';

const sizesMB = [50, 500, 2000];
const limitBytes = 300 * 2 ** 20;
const child = path.join(import.meta.dirname, 'memory-child.ts');
const childTimeoutMs = 600_000;

/** What the child prints, see memory-child.ts. */
export interface PeakMemory {
  readonly archiveBytes: number;
  /** High-water marks of the process after each stage, so they only grow. */
  readonly packedBytes: number;
  readonly verifiedBytes: number;
}

/** Packing and verifying stream: how large the image is must not matter. */
export const memory: Bench = {
  name: 'memory',
  title: 'peak memory of packing and verifying a release',
  async run({ context, scratch, note }) {
    const rows: string[][] = [];
    let largest = 0;
    for (const sizeMB of sizesMB) {
      note(`an image of ${sizeMB} MB`);
      const directory = path.join(scratch, String(sizeMB));
      const layout = path.join(directory, 'layout');
      await mkdir(layout, { recursive: true });
      const layer = await writeBlob(layout, MediaType.layer, Readable.from(halfRandom(sizeMB * 1e6, context.signal)));
      await writeImage(layout, [layer]);
      const startedAt = performance.now();
      const { stdout } = await run(context, { program: process.execPath, args: [child, layout, directory] }, { timeoutMs: childTimeoutMs });
      const seconds = (performance.now() - startedAt) / 1000;
      const peak = JSON.parse(stdout) as PeakMemory;
      largest = Math.max(largest, peak.verifiedBytes);
      const { size } = await stat(path.join(layout, 'blobs/sha256', layer.digest.slice('sha256:'.length)));
      rows.push([
        `${(size / 1e6).toFixed(0)} MB`,
        `${(peak.archiveBytes / 1e6).toFixed(0)} MB`,
        asMebibytes(peak.packedBytes),
        asMebibytes(peak.verifiedBytes),
        `${seconds.toFixed(1)} s`,
      ]);
      await rm(directory, { recursive: true });
    }
    return {
      setup: [
        'One process for each size: `writeArchive`, `verifyArchive`, `packRelease`, `verifyRelease`; VmHWM of /proc/self/status.',
        'One layer in the image, every other 64 KiB of it random, the rest text.',
      ],
      head: ['image', 'archive', 'peak after packing', 'peak after verifying', 'time of all'],
      rows,
      targets: [{ name: 'peak memory of packing and verifying, largest', actual: largest, limit: limitBytes, format: asMebibytes }],
    };
  },
};

async function* halfRandom(sizeBytes: number, signal: AbortSignal): AsyncIterable<Buffer> {
  const blockBytes = 64 * 1024;
  const text = Buffer.alloc(blockBytes, 'A line as it stands in scripts and in documentation, with some words in it.\n');
  for (let done = 0, block = 0; done < sizeBytes; block += 1) {
    signal.throwIfAborted();
    const content = block % 2 === 0 ? randomFillSync(Buffer.allocUnsafe(blockBytes)) : text;
    const rest = content.subarray(0, Math.min(blockBytes, sizeBytes - done));
    done += rest.length;
    yield rest;
    if (block % 64 === 0) await new Promise(setImmediate); // lets a signal in
  }
}
