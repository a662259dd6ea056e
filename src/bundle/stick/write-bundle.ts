import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { exists, replaceDirectory } from '../../host/files.ts';
import { run } from '../../host/process.ts';
import { explainDiskFull, freeBytes } from '../../host/free-space.ts';
import { checksumsFile, describeFile, formatChecksums, listFiles } from '../../release/checksums.ts';
import type { UploadFile } from '../../release/upload-files.ts';
import type { TaskReport } from '../../tasks.ts';
import { checkFat } from './fat.ts';

/** Tells a bundle from any other folder. */
export const factsFile = 'bundle.txt';
/** What a file takes on a stick beyond its bytes, at most: FAT clusters are up to 32 KiB. */
const clusterBytes = 32 * 1024;

/**
 * Whether a bundle may be put there.
 * @throws ShipError E_BUNDLE_TARGET, exit status 2
 */
export async function checkBundleTarget(directory: string): Promise<void> {
  const found = await stat(directory).catch(() => undefined);
  if (!found) return;
  const refuse = (why: string, remedy: string) => new ShipError({ code: 'E_BUNDLE_TARGET', message: `'${directory}' cannot become a bundle: ${why}`, remedy, exitStatus: ExitStatus.usage });
  const onStick = `Name a folder in it, which will be made: ${path.join(directory, 'prose-ship')}`;
  if (!found.isDirectory()) throw refuse('it is a file', 'Name a folder on the stick, which will be made.');
  const above = await stat(path.dirname(directory));
  if (found.dev !== above.dev || directory === path.dirname(directory)) throw refuse('a disk is mounted there, and a bundle is put in place by renaming it', onStick);
  if ((await readdir(directory)).length > 0 && !(await exists(path.join(directory, factsFile)))) throw refuse('it holds something else', onStick);
}

/**
 * Writes the files and their SHA256SUMS as `directory`, all of them or nothing; a bundle that is there with the very same content
 * stays as it is. Every byte is compared with its digest on the way.
 * @returns whether it stayed
 * @throws ShipError E_BUNDLE_TARGET, E_BUNDLE_FILE_TOO_LARGE, E_BUNDLE_FILE_NAME, E_DISK_FULL (all before anything is written), E_BUNDLE_SOURCE
 */
export async function writeBundle(context: Context, directory: string, content: readonly UploadFile[], report: TaskReport): Promise<{ readonly unchanged: boolean; readonly sizeBytes: number }> {
  await checkBundleTarget(directory);
  const sums = formatChecksums(content);
  checkFat([...content, { path: checksumsFile, sizeBytes: sums.length }]);
  const sizeBytes = content.reduce((sum, file) => sum + file.sizeBytes, sums.length);
  if (await isSame(context, directory, sums)) return { unchanged: true, sizeBytes };
  const parent = path.dirname(directory);
  const neededBytes = content.reduce((sum, file) => sum + Math.ceil(file.sizeBytes / clusterBytes) * clusterBytes, clusterBytes);
  const free = await freeBytes(parent);
  if (free < neededBytes) throw noSpace(parent, neededBytes, free, await exists(directory));
  try {
    await replaceDirectory(directory, async (target) => {
      let done = 0;
      for (const file of content) {
        await writeOne(context, path.join(target, file.path), file);
        done += file.sizeBytes;
        report.progress(done, sizeBytes);
      }
      await writeFile(path.join(target, checksumsFile), sums);
      // Sticks are pulled out early. One flush of the whole: one a file takes minutes.
      await run(context, { program: 'sync', args: ['--file-system', target] });
    });
  } catch (error) {
    throw await explainDiskFull(error, parent, 'the bundle');
  }
  return { unchanged: false, sizeBytes };
}

async function writeOne({ signal }: Context, target: string, file: UploadFile): Promise<void> {
  signal.throwIfAborted();
  await mkdir(path.dirname(target), { recursive: true });
  if (file.kind === 'text') {
    await writeFile(target, file.content);
  } else {
    const hash = createHash('sha256');
    const watch = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        hash.update(chunk);
        done(null, chunk);
      },
    });
    await pipeline(createReadStream(file.source, { highWaterMark: 1024 * 1024 }), watch, createWriteStream(target), { signal });
    if (`sha256:${hash.digest('hex')}` !== file.digest) throw changedSource(file.source);
  }
}

/** The same list, every file as it says, and none besides but what desktops hide there. */
async function isSame({ signal }: Context, directory: string, sums: string): Promise<boolean> {
  if ((await readFile(path.join(directory, checksumsFile), 'utf8').catch(() => undefined)) !== sums) return false;
  for (const line of sums.trimEnd().split('\n')) {
    const name = line.slice(66);
    const found = await describeFile(directory, name, signal).catch(() => undefined);
    signal.throwIfAborted();
    if (found?.digest !== `sha256:${line.slice(0, 64)}`) return false;
  }
  return (await listFiles(directory)).filter((name) => !path.posix.basename(name).startsWith('.')).length === sums.trimEnd().split('\n').length + 1;
}

function noSpace(directory: string, neededBytes: number, free: number, replaces: boolean): ShipError {
  const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 1024 ** 2)} MiB`;
  return new ShipError({
    code: 'E_DISK_FULL',
    message: `The bundle needs ${mebibytes(neededBytes)}; only ${mebibytes(free)} are free where '${directory}' is`,
    remedy: replaces ? 'Delete the bundle that is there: it is only replaced once the new one is whole. Or take a larger stick.' : 'Free space there, or take a larger stick.',
    exitStatus: ExitStatus.preflight,
  });
}

function changedSource(source: string): ShipError {
  return new ShipError({
    code: 'E_BUNDLE_SOURCE',
    message: `'${source}' is not what it was when the bundle was planned`,
    remedy: 'Something changes it, or the disk is failing: `prose-ship verify` checks a release. Then run this again.',
  });
}
