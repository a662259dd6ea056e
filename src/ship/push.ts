import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { Context } from '../context.ts';
import { provisionCommand } from '../device/provision/programs.ts';
import { imagesFolder, takeOver } from './drop-zone.ts';
import { handOver, mostHandedOverBytes } from './hand-over.ts';
import type { HostInventory } from '../device/inventory.ts';
import { partialPaths, type RemoteFiles, type ResumableSource, type ResumableUpload, type TokenBucket } from '../host/ssh/connection.ts';
import { digestOf } from '../oci/digest.ts';
import { platformSlug } from '../oci/platform.ts';
import { formatChecksums } from '../release/checksums.ts';
import type { Release } from '../release/read-release.ts';
import { smallFileNames } from '../release/upload-files.ts';
import type { Task, TaskReport } from '../tasks.ts';
import type { SharedArchives } from './archives/shared-archives.ts';
import type { Device } from './device.ts';
import { sendableArchive, type OpenedImage, type PlannedImage, type UpdatePlan } from './plan-update.ts';
import type { Transport } from './preflight.ts';
import { pullImages } from './registry/pull.ts';
import { followUpdater } from './rollout.ts';
import type { BegunRun } from './watch/run-log.ts';

interface PushInput {
  readonly context: Context;
  readonly device: Device;
  readonly release: Release;
  readonly plan: UpdatePlan;
  readonly images: readonly OpenedImage[];
  readonly inventory: HostInventory;
  /** Slows the archives down; default: as fast as the link. */
  readonly pace?: TokenBucket | undefined;
  readonly transport: Transport;
  readonly archives: SharedArchives;
}

/** An archive, on its way to a file of the drop zone. */
interface ArchiveToSend {
  readonly planned: PlannedImage;
  /** Below the upload's folder. */
  readonly path: string;
  readonly source: ResumableSource;
}

/** Brings a release onto a host, loaded and verified there, and starts nothing. */
export function pushTasks(input: PushInput): Task[] {
  const { context, device, plan } = input;
  const kept = () => (plan.isKept ? 'is on the host already' : undefined);
  let begun: BegunRun | undefined;
  return [
    ...(input.transport === 'registry' ? [pullTask(input)] : []),
    {
      id: 'upload',
      title: `Upload ${plan.release}`,
      skip: kept,
      run: async (report) => {
        begun = await upload(input, report);
      },
    },
    {
      id: 'load',
      title: 'Verify and load on the host',
      skip: () => (plan.current?.id === plan.release ? 'runs there already' : undefined),
      run: (report) => followUpdater(context, device, prepareVerb(plan), report, { begun }),
    },
  ];
}

function pullTask({ context, device, plan, images, pace }: PushInput): Task {
  const missing = images.filter(({ component }) => plan.images.some((planned) => planned.component === component && planned.sendBytes > 0));
  return {
    id: 'pull',
    title: 'Pull images through the tunnel',
    skip: () => (missing.length === 0 ? 'all are on the host already' : undefined),
    run: (report) => pullImages(context, device, missing, report, pace),
  };
}

/**
 * Many things at once, in few round trips: on a long line these, and not the bytes, are what a small update takes. Nothing
 * looks at the upload before the updater does, so the order in which its files arrive does not matter; and that proves all of
 * it by checksums before anything is loaded, and brings it to the disk before anything else is done with it. A small upload
 * and the start of the updater are even one command.
 * @returns the updater's run, where it was started with the upload
 */
async function upload(input: PushInput, report: TaskReport): Promise<BegunRun | undefined> {
  const { device, release, plan, pace } = input;
  const { files } = device.connection;
  const target = path.posix.join(device.paths.incomingDirectory, plan.release);
  const archives = input.transport === 'registry' ? [] : await archivesToSend(input, input.context.signal);
  const small = await smallFiles(release, plan, archives);
  const begun = await handOverAll(input, target, small, archives);
  if (begun) return begun;
  const isNew = await makeRoom(device, target, small, archives);
  const begin = async (archive: ArchiveToSend) => ({ archive, upload: await files.resume(archive.source, path.posix.join(target, archive.path), { isNew }) });
  const uploads: { readonly archive: ArchiveToSend; readonly upload: ResumableUpload }[] = await Promise.all(archives.map(begin));
  const totalBytes = sum(archives.map(({ source }) => source.sizeBytes));
  let otherBytes = sum(uploads.map(({ upload: { doneBytes } }) => doneBytes));
  if (otherBytes > 0) {
    const text = `resumed at ${Math.floor((otherBytes / totalBytes) * 100)} %`;
    report.detail(text);
    report.log(text);
  }
  const others = Promise.all([...small].map(([name, content]) => files.writeFile(path.posix.join(target, name), content, { mode: 0o600, isProvenLater: true })));
  others.catch(() => {}); // awaited below, unless an archive fails first
  for (const { archive, upload } of uploads) {
    otherBytes -= upload.doneBytes;
    const before = otherBytes;
    await upload.send({ mode: 0o600, pace, isProvenLater: true, onProgress: (doneBytes) => report.progress(before + doneBytes, totalBytes) });
    otherBytes += archive.source.sizeBytes;
  }
  await others;
  return undefined;
}

function prepareVerb({ release }: UpdatePlan): readonly string[] {
  return ['prepare', release];
}

/** Where all of it is small and no rate was asked for. */
async function handOverAll({ device, plan, pace }: PushInput, target: string, small: ReadonlyMap<string, string | Buffer>, archives: readonly ArchiveToSend[]): Promise<BegunRun | undefined> {
  const bytes = sum([...archives.map(({ source }) => source.sizeBytes), ...[...small.values()].map(({ length }) => length)]);
  if (pace || bytes > mostHandedOverBytes) return undefined;
  const contents = archives.map(async (archive) => [archive.path, await buffer(archive.source.read(0))] as const);
  return handOver(device, target, new Map([...small, ...(await Promise.all(contents))]), prepareVerb(plan));
}

/** Folders, without what an earlier upload left that is of no use; whether there was none. */
async function makeRoom(device: Device, target: string, small: ReadonlyMap<string, string | Buffer>, archives: readonly ArchiveToSend[]): Promise<boolean> {
  const { files } = device.connection;
  const folders = [target, path.posix.join(target, imagesFolder), ...foldersOf(target, [...small.keys()])];
  const make = () => files.makeDirectories(folders, { mode: 0o700 });
  // Within somebody else's folder that is not permitted.
  const { isNew } = await make().catch(() => ({ isNew: false }));
  if (isNew) return true;
  await takeOver(device, target);
  await removeUseless(files, target, archives);
  await make();
  return false;
}

/** Parents first. */
function foldersOf(target: string, names: readonly string[]): string[] {
  const folders = new Set<string>();
  for (const name of names) {
    const parts = name.split('/').slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth += 1) folders.add(path.posix.join(target, ...parts.slice(0, depth)));
  }
  return [...folders];
}

async function archivesToSend({ plan, images, inventory, archives: shared }: PushInput, signal: AbortSignal): Promise<ArchiveToSend[]> {
  const archives: ArchiveToSend[] = [];
  for (const planned of plan.images) {
    const image = images.find(({ component }) => component === planned.component);
    if (!image || planned.sendBytes === 0) continue;
    const { archive } = image;
    const source = await shared.source(archive, sendableArchive(archive, inventory), planned.compression, signal);
    const suffix = planned.compression === 'gzip' ? 'gz' : 'zst';
    archives.push({ planned, path: `${imagesFolder}/${planned.component}.tar.${suffix}`, source });
  }
  return archives;
}

/** What an earlier upload left stays only where this one goes on with it: the updater refuses files that it does not know. */
async function removeUseless(files: RemoteFiles, target: string, archives: readonly ArchiveToSend[]): Promise<void> {
  const removeOthers = async (directory: string, kept: ReadonlySet<string>) => {
    if ((await files.stat(directory))?.kind !== 'directory') return;
    for (const name of await files.list(directory)) {
      if (!kept.has(name)) await files.remove(path.posix.join(directory, name));
    }
  };
  const kept = archives.flatMap(({ path: file, source }) => [file, ...Object.values(partialPaths(file, source))]);
  await removeOthers(target, new Set([imagesFolder]));
  await removeOthers(path.posix.join(target, imagesFolder), new Set(kept.map((file) => path.posix.basename(file))));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** What is small of a release, and what the updater must know about its archives. */
async function smallFiles(release: Release, { platform }: UpdatePlan, archives: readonly ArchiveToSend[]): Promise<ReadonlyMap<string, string | Buffer>> {
  const names = await smallFileNames(release);
  const contents = await Promise.all(names.map(async (name) => [name, await readFile(path.join(release.directory, name))] as const));
  return new Map<string, string | Buffer>([
    ...contents,
    // How much the engine will unpack: the updater asks its disk before it loads.
    ...archives.map(({ planned }) => [`${imagesFolder}/${planned.component}.size`, `${planned.unpackedBytes}\n`] as const),
    ['UPLOAD.sha256', formatChecksums(archives.map((archive) => ({ path: archive.path, digest: archive.source.digest })))],
    ['platform', `${platformSlug(platform)}\n`],
  ]);
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

async function putSecret({ host, connection, paths }: Device, name: string, value: string): Promise<boolean> {
  const owner = String(host.engine === 'none' ? connection.uid : 0);
  const file = path.posix.join(paths.secretsDirectory, name);
  const { stdout } = await connection.run(['sha256sum', file], { sudo: true, expect: [1] });
  if (stdout.startsWith(digestOf(value).slice('sha256:'.length))) return false;
  await connection.run(provisionCommand('lay', 'directories', '0700', owner, paths.secretsDirectory), { sudo: true });
  // 0444 in a directory that only root enters: containers run as users of their own and must read what is mounted.
  await connection.run(provisionCommand('lay', 'put', file, '0444', owner), { sudo: true, input: value });
  return true;
}
