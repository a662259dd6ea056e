import { readFile } from 'node:fs/promises';
import { verifyArchive } from '../src/oci/archive/read-archive.ts';
import { readLayout } from '../src/oci/layout.ts';
import { verifyRelease } from '../src/release/verify-release.ts';
import type { PeakMemory } from './memory.ts';
import { makeRelease } from './sample/release.ts';

/** Run by memory.ts as a process of its own: `memory-child.ts LAYOUT DIRECTORY` prints a PeakMemory. */
const [, , layout, directory] = process.argv;
if (!layout || !directory) throw new Error('usage: memory-child.ts LAYOUT DIRECTORY');

const [image] = await readLayout(layout);
if (!image) throw new Error(`no image in ${layout}`);
const release = await makeRelease(image, directory, '1.0.0');
const packedBytes = await peakBytes();
const archive = release.manifest.images[0]?.archive;
if (!archive) throw new Error('the release has no image');
await verifyArchive(`${release.directory}/${archive.path}`);
await verifyRelease(release.directory);
const peak: PeakMemory = { archiveBytes: archive.sizeBytes, packedBytes, verifiedBytes: await peakBytes() };
console.log(JSON.stringify(peak));

/** Not getrusage's ru_maxrss: across execve Linux keeps the larger one of what was there before, here the parent's. */
async function peakBytes(): Promise<number> {
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile('/proc/self/status', 'utf8')) ?? [];
  if (!kibibytes) throw new Error('/proc/self/status has no VmHWM');
  return Number(kibibytes) * 1024;
}
