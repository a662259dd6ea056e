import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { Context } from '../context.ts';
import { devicePaths } from '../device/files.ts';
import type { HostInventory } from '../device/inventory.ts';
import { readRanges } from '../oci/archive/partial-archive.ts';
import { decompressFrames, type Archive } from '../oci/archive/read-archive.ts';
import { digestOf, type Digest } from '../oci/digest.ts';
import { platformSlug } from '../oci/platform.ts';
import { checksumsFile, formatChecksums } from '../release/checksums.ts';
import { manifestFile, type Release } from '../release/read-release.ts';
import { planPath, releasePlatforms } from '../release/rollout-plan.ts';
import type { Task } from '../tasks.ts';
import type { Device } from './device.ts';
import { sendableArchive, type OpenedImage, type PlannedImage, type UpdatePlan } from './plan-update.ts';
import { followUpdater } from './rollout.ts';

interface PushInput {
  readonly context: Context;
  readonly device: Device;
  readonly release: Release;
  readonly plan: UpdatePlan;
  readonly images: readonly OpenedImage[];
  readonly inventory: HostInventory;
}

interface UploadedArchive {
  readonly path: string;
  readonly digest: Digest;
}

/** Brings a release onto a host, loaded and verified there, and starts nothing. */
export function pushTasks(input: PushInput): Task[] {
  const { context, device, release, plan } = input;
  const kept = () => (plan.isKept ? 'is on the host already' : undefined);
  return [
    { id: 'upload', title: `Upload ${plan.release}`, skip: kept, run: (report) => upload(input, report.progress) },
    {
      id: 'load',
      title: 'Verify and load on the host',
      skip: () => (plan.current?.id === plan.release ? 'runs there already' : undefined),
      run: (report) => followUpdater(context, device, ['prepare', release.manifest.id], report),
    },
  ];
}

async function upload(input: PushInput, onProgress: (doneBytes: number, totalBytes: number) => void): Promise<void> {
  const { device, release, plan, images } = input;
  const { files } = device.connection;
  const target = path.posix.join(devicePaths.incomingDirectory, plan.release);
  await files.remove(target); // what an interrupted upload left
  await files.makeDirectory(target, { mode: 0o700 });
  const uploaded: UploadedArchive[] = [];
  let sentBytes = 0;
  for (const planned of plan.images) {
    const image = images.find(({ component }) => component === planned.component);
    if (!image || planned.sendBytes === 0) continue;
    const before = sentBytes;
    uploaded.push(await uploadArchive(input, planned, image.archive, target, (done) => onProgress(before + done, plan.sendBytes)));
    sentBytes += planned.sendBytes;
  }
  for (const name of smallFiles(release)) {
    const content = await readFile(path.join(release.directory, name));
    await files.makeDirectory(path.posix.dirname(path.posix.join(target, name)), { mode: 0o700 });
    await files.writeFile(path.posix.join(target, name), content, { mode: 0o600 });
  }
  await files.writeFile(path.posix.join(target, 'UPLOAD.sha256'), formatChecksums(uploaded));
  await files.writeFile(path.posix.join(target, 'platform'), `${platformSlug(plan.platform)}\n`);
}

/** Everything of a release but its archives: a few KiB. */
function smallFiles({ manifest }: Release): string[] {
  const plans = releasePlatforms(manifest).map(planPath);
  return [manifestFile, checksumsFile, manifest.compose.path, ...manifest.files.map((file) => file.path), ...plans];
}

async function uploadArchive(
  { device, inventory }: PushInput,
  planned: PlannedImage,
  archive: Archive,
  target: string,
  onProgress: (doneBytes: number) => void,
): Promise<UploadedArchive> {
  const { files } = device.connection;
  const partial = sendableArchive(archive, inventory);
  const isGzip = planned.compression === 'gzip';
  const name = `images/${planned.component}.tar.${isGzip ? 'gz' : 'zst'}`;
  const hash = createHash('sha256');
  const hashed = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      hash.update(chunk);
      yield chunk;
    }
  };
  const content = () => (isGzip ? gzipped(archive, partial.frames) : readRanges(archive.file, partial.ranges));
  const sizeBytes = isGzip ? await countBytes(content()) : partial.sizeBytes;
  await files.makeDirectory(path.posix.join(target, 'images'), { mode: 0o700 });
  await files.upload({ sizeBytes, chunks: hashed(content()) }, path.posix.join(target, name), { mode: 0o600, onProgress });
  // How much the engine will unpack: the updater asks its disk before it loads.
  await files.writeFile(path.posix.join(target, `images/${planned.component}.size`), `${planned.unpackedBytes}\n`);
  return { path: name, digest: `sha256:${hash.digest('hex')}` };
}

/** For engines that know no zstd. */
function gzipped(archive: Archive, frames: Parameters<typeof decompressFrames>[1]): AsyncIterable<Buffer> {
  const source = Readable.from(decompressFrames(archive.file, frames), { objectMode: false });
  const gzip = createGzip({ level: 6 });
  source.on('error', (error) => gzip.destroy(error));
  return source.pipe(gzip) as AsyncIterable<Buffer>;
}

async function countBytes(chunks: AsyncIterable<Buffer>): Promise<number> {
  let size = 0;
  for await (const chunk of chunks) size += chunk.length;
  return size;
}

/** Runtime secrets go to the host beside the release, never inside it; one that is there with the same content stays. */
export function secretTask(device: Device, secrets: ReadonlyMap<string, string>): Task {
  return {
    id: 'secrets',
    title: 'Secrets',
    skip: () => (secrets.size === 0 ? 'none' : undefined),
    run: async (report) => {
      let changed = 0;
      for (const [name, value] of secrets) changed += (await putSecret(device, name, value)) ? 1 : 0;
      report.detail(changed === 0 ? 'unchanged' : `${changed} changed`);
    },
  };
}

async function putSecret({ connection }: Device, name: string, value: string): Promise<boolean> {
  const file = path.posix.join(devicePaths.secretsDirectory, name);
  const { stdout } = await connection.run(['sha256sum', file], { sudo: true, expect: [1] });
  if (stdout.startsWith(digestOf(value).slice('sha256:'.length))) return false;
  await connection.run(['install', '-d', '-m', '0700', devicePaths.secretsDirectory], { sudo: true });
  // 0444 in a directory that only root enters: containers run as users of their own and must read what is mounted.
  const script = 'umask 077 && cat >"$1.new" && chmod 0444 "$1.new" && sync "$1.new" && mv -f "$1.new" "$1"';
  await connection.run(['sh', '-c', script, 'sh', file], { sudo: true, input: value });
  return true;
}
