import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { PassThrough, type Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import type { Context } from '../../context.ts';
import { writeAtomically } from '../../host/files.ts';
import type { ReleaseManifest } from '../../release/manifest.ts';
import type { Task } from '../../tasks.ts';
import { currentManifest } from '../current-release.ts';
import type { Device } from '../device.ts';
import { followUpdater } from '../rollout.ts';
import type { BackupManifest } from './manifest.ts';
import { verifyBackupStream, type VerifiedBackup } from './verify-backup.ts';

export interface BackupOptions {
  /** Copy while services go on writing: no downtime, and what is copied may not fit together. */
  readonly live: boolean;
  readonly withSecrets: boolean;
}

/** What came of it. */
export interface BackupResult extends VerifiedBackup {
  readonly file: string;
  /** How long services were stopped. */
  readonly stoppedMs: number;
}

/** What the updater says about the copy that it made. */
interface CopyContents {
  readonly stoppedMs: number;
  readonly volumes: BackupManifest['volumes'];
  readonly secrets: readonly string[];
}

/** Holds the data and perhaps secrets: nobody else reads it. */
const fileMode = 0o600;

/**
 * Copies the data on the host, then brings the copy here. `done` gets the result of the last task.
 * @throws ShipError E_NOTHING_DEPLOYED, E_DISK_FULL (exit status 3), E_BACKUP_DAMAGED, and what the updater says
 */
export function backupTasks(context: Context, device: Device, file: string, options: BackupOptions, done: (result: BackupResult) => void): Task[] {
  const name = copyName('backup');
  return [
    {
      id: 'copy',
      title: options.live ? 'Copy the data while services run' : 'Stop services, copy the data, start them',
      run: (report) => followUpdater(context, device, ['backup', name, ...(options.live ? ['live'] : []), ...(options.withSecrets ? ['secrets'] : [])], report),
    },
    {
      id: 'download',
      title: `Download and verify ${file}`,
      run: async (report) => {
        const release = await currentManifest(device);
        const contents = await readContents(device, name);
        const manifest = backupManifest(device.host.name, release, contents, options);
        const verified = await download(context, device, name, manifest, file, report.progress);
        done({ ...verified, file, stoppedMs: contents.stoppedMs });
      },
    },
  ];
}

/** A name on the host that no other run has. */
export function copyName(verb: 'backup' | 'restore'): string {
  return `${verb}-${Date.now()}-${randomBytes(4).toString('hex')}`;
}

async function readContents({ connection, paths }: Device, name: string): Promise<CopyContents> {
  const { stdout } = await connection.run(['cat', `${paths.stateDirectory}/backups/${name}/contents`], { sudo: true });
  return parseContents(stdout);
}

/** Lines of `KEY TAB VALUE...` (src/device/updater.d/data/backup.sh, describe_copy). */
export function parseContents(text: string): CopyContents {
  const lines = text.split('\n').map((line) => line.split('\t'));
  const values = (key: string) => lines.filter(([first]) => first === key).map(([, ...rest]) => rest);
  return {
    stoppedMs: Number(values('stopped-ms')[0]?.[0] ?? 0),
    volumes: values('volume').map(([name = '', sizeBytes, files]) => ({ name, sizeBytes: Number(sizeBytes), files: Number(files) })),
    secrets: values('secret').map(([name = '']) => name),
  };
}

function backupManifest(host: string, release: ReleaseManifest, { volumes, secrets }: CopyContents, { live }: BackupOptions): BackupManifest {
  const { name, domain, id, version, recipe, data } = release;
  return {
    format: 1,
    name,
    domain,
    host,
    release: { id, version },
    recipe,
    dataVersion: data.version,
    time: new Date().toISOString(),
    cold: !live,
    volumes,
    secrets,
  };
}

/** Written and verified in one pass; the host removes its copy when the sending ends, however it ends. */
async function download(
  context: Context,
  device: Device,
  name: string,
  manifest: BackupManifest,
  file: string,
  onProgress: (doneBytes: number) => void,
): Promise<VerifiedBackup> {
  const holder: { verified?: VerifiedBackup } = {};
  await writeAtomically(
    file,
    async (temporary) => {
      const output = new PassThrough();
      const source = new PassThrough();
      const target = createWriteStream(temporary, { mode: fileMode, flags: 'wx' });
      // Where one end fails, the sending ends with its error.
      for (const stream of [output, source, target]) stream.on('error', (error: Error) => output.destroy(error));
      const steps = [
        device.connection.run([device.paths.updater, 'send-backup', name], {
          sudo: true,
          input: `${JSON.stringify(manifest, undefined, 2)}\n`,
          output,
        }),
        verifyBackupStream(source, file, { onProgress }).then((verified) => (holder.verified = verified)),
        pipeline(output, (chunks: AsyncIterable<Buffer>) => writeBoth(chunks, target, source)),
      ];
      try {
        await Promise.all(steps);
      } catch (error) {
        for (const stream of [output, source, target]) stream.destroy(error as Error);
        const [sent] = await Promise.allSettled(steps);
        // A connection that ends makes the archive look damaged; why it ended is the better answer.
        throw sent?.status === 'rejected' ? sent.reason : error;
      }
    },
    { mode: fileMode },
  );
  context.signal.throwIfAborted();
  if (!holder.verified) throw new Error('unreachable: the download was verified');
  return holder.verified;
}

/** Every chunk into the file and to the one who verifies, at the pace of the slower one. */
async function writeBoth(chunks: AsyncIterable<Buffer>, ...targets: readonly Writable[]): Promise<void> {
  for await (const chunk of chunks) {
    for (const target of targets) if (!target.write(chunk)) await once(target, 'drain');
  }
  for (const target of targets) target.end();
  await Promise.all(targets.map((target) => finished(target, { readable: false })));
}
