import { rm } from 'node:fs/promises';
import type { Context } from '../../context.ts';
import { run } from '../../host/process.ts';
import { runTasks, type Task, type TaskReport } from '../../tasks.ts';
import { openImageStream } from '../image-stream.ts';
import { flashFailure } from './failure.ts';
import type { FlashPlan } from './plan-flash.ts';
import { readBack, readBackHead } from './read-back.ts';
import { openTargetFile, sectorBytes, type TargetFile } from './target-file.ts';
import { headBytes, writeImage, type WrittenImage } from './write-image.ts';

export interface FlashResult {
  readonly device: string;
  readonly imageSizeBytes: number;
  readonly mappedBytes: number;
  /** Everything that was sent to the device, with what marks it while it is unfinished. */
  readonly writtenBytes: number;
  readonly verifiedBytes: number;
  readonly direct: boolean;
  /** What the bytes read back came from. */
  readonly readBack: ReadBackSource;
}
export type ReadBackSource = 'device' | 'device, cached pages given back first' | 'maybe the page cache';

/** What one run knows so far. */
interface Run {
  readonly plan: FlashPlan;
  file?: TargetFile;
  written?: WrittenImage;
  writtenBytes: number;
  source: ReadBackSource;
}

/**
 * Write, read back, then the first MiB with the partition table, block 0 last of all. Until then the target has no
 * partition table, so that whatever ends the run leaves nothing that looks like a finished card.
 * @throws ShipError E_IMAGE_CORRUPT, E_VERIFY_FAILED, E_DEVICE_LOST, E_DEVICE_IN_USE, E_DEVICE_TOO_SMALL, E_DISK_FULL, E_INTERRUPTED; each says whether the target is usable
 */
export async function flash(context: Context, plan: FlashPlan): Promise<FlashResult> {
  const state: Run = { plan, writtenBytes: 0, source: 'device' };
  try {
    await runTasks(context, flashTasks(context, state));
    const { file, written } = opened(state);
    await file.close();
    const bytes = lengthOf(written.pieces);
    return {
      device: plan.target.path,
      imageSizeBytes: written.imageSizeBytes,
      mappedBytes: bytes,
      writtenBytes: bytes + sectorBytes, // the mark is one block more
      verifiedBytes: bytes,
      direct: file.direct,
      readBack: state.source,
    };
  } catch (error) {
    await abandon(state);
    throw flashFailure(context, plan, error, { marked: state.file !== undefined, doneBytes: state.writtenBytes });
  }
}

function flashTasks(context: Context, state: Run): readonly Task[] {
  const { plan } = state;
  const { target } = plan;
  return [
    {
      id: 'write',
      title: `Write ${target.path}`,
      run: async (report) => {
        if (!plan.bmap) report.log('There is no block map beside the image: everything is written, free space too.');
        state.file = await openTargetFile(target);
        const { direct } = state.file;
        const written = await writeStream(context, state, state.file, report);
        state.written = written;
        if (target.sizeBytes === 0) await state.file.truncate(written.imageSizeBytes);
        await state.file.sync();
        report.detail(`${lengthOf(written.pieces)} of ${written.imageSizeBytes} bytes, ${direct ? 'past the page cache' : 'through the page cache, then flushed'}`);
      },
    },
    {
      id: 'verify',
      title: 'Read back and compare',
      run: async (report) => {
        const { file, written } = opened(state);
        if (!file.direct) state.source = await dropCachedPages(context, plan);
        const totalBytes = lengthOf(written.pieces.filter(({ offset }) => offset >= headBytes));
        await readBack(file, target, written, { signal: context.signal, onProgress: (bytes) => report.progress(bytes, totalBytes) });
        const what = plan.bmap ? `${written.ranges.length} ranges have their sha256` : `the whole has its sha256, ${written.ranges[0]?.sha256 ?? ''}`;
        report.detail(`${what}; read from ${state.source}`);
      },
    },
    {
      id: 'finish',
      title: 'Write and check the first MiB',
      run: async (report) => {
        const { file, written } = opened(state);
        await writeHead(file, written);
        if (!file.direct) state.source = await dropCachedPages(context, plan);
        await readBackHead(file, target, written);
        report.detail(`${target.path} is ready`);
      },
    },
  ];
}

async function writeStream(context: Context, state: Run, file: TargetFile, report: TaskReport): Promise<WrittenImage> {
  const { image, bmap, target, plannedBytes } = state.plan;
  const { stream } = await openImageStream(image.file);
  try {
    return await writeImage(stream as AsyncIterable<Buffer>, file, target, {
      image: image.file,
      map: bmap?.map,
      signal: context.signal,
      onProgress: (bytes) => {
        state.writtenBytes = bytes;
        report.progress(bytes, plannedBytes);
      },
    });
  } finally {
    stream.destroy();
  }
}

function opened({ file, written }: Run): { file: TargetFile; written: WrittenImage } {
  if (!file || !written) throw new Error('nothing was written yet');
  return { file, written };
}

/** Block 0 goes alone and last: it is what makes the rest visible. */
async function writeHead(file: TargetFile, { pieces, head }: WrittenImage): Promise<void> {
  const parts = pieces
    .filter(({ offset }) => offset < headBytes)
    .flatMap(({ offset, length }) => {
      const first = Math.min(length, Math.max(sectorBytes - offset, 0));
      return [
        { offset, length: first },
        { offset: offset + first, length: length - first },
      ].filter((part) => part.length > 0);
    });
  for (const { offset, length } of parts.toReversed()) {
    const data = file.chunks[0].subarray(0, length);
    head.copy(data, 0, offset, offset + length);
    if (offset < sectorBytes) await file.sync();
    await file.write(data, offset);
  }
  await file.sync();
}

/**
 * Without O_DIRECT what was just written would be read from memory. Flushed pages are given back to the system with GNU dd
 * (posix_fadvise(2), POSIX_FADV_DONTNEED); where that is not to be had, the result says so.
 */
async function dropCachedPages(context: Context, { target }: FlashPlan): Promise<ReadBackSource> {
  if (process.platform === 'darwin') return target.openPath.startsWith('/dev/rdisk') ? 'device' : 'maybe the page cache';
  const command = { program: 'dd', args: [`if=${target.openPath}`, 'iflag=nocache', 'count=0', 'status=none'] };
  return run(context, command).then(() => 'device, cached pages given back first', () => 'maybe the page cache');
}

/** Leaves the mark, or makes it anew where the head was on its way; a file made for this goes again. */
async function abandon({ plan, file }: Run): Promise<void> {
  const mark = file?.chunks[0].subarray(0, sectorBytes).fill(0);
  if (mark) await file?.write(mark, 0).then(() => file.sync()).catch(() => {}); // a device that is gone cannot be marked
  await file?.close().catch(() => {});
  if (plan.target.kind === 'new-file') await rm(plan.target.path, { force: true });
}

function lengthOf(pieces: readonly { readonly length: number }[]): number {
  return pieces.reduce((total, { length }) => total + length, 0);
}
