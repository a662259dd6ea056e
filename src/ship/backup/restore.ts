import { createReadStream } from 'node:fs';
import path from 'node:path';
import type { Context } from '../../context.ts';
import type { HostInventory } from '../../device/inventory.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { ReleaseManifest } from '../../release/manifest.ts';
import type { Task } from '../../tasks.ts';
import type { Device } from '../device.ts';
import { followUpdater } from '../rollout.ts';
import { copyName } from './backup.ts';
import type { BackupManifest } from './manifest.ts';
import type { VerifiedBackup } from './verify-backup.ts';

export interface RestoreOptions {
  /** Also of another site, domain or recipe. */
  readonly force?: boolean;
}

/** Kept free on the host beside what the restore itself needs. */
const reserveBytes = 64 * 1024 * 1024;

/**
 * Whether a backup goes onto what runs on a host; nothing there is touched.
 * @throws ShipError E_BACKUP_OTHER_SITE, E_BACKUP_NEWER, E_BACKUP_VOLUMES, E_HOST_DISK_FULL (exit status 3)
 */
export function checkRestore(host: string, backup: VerifiedBackup, running: ReleaseManifest, inventory: HostInventory, { force = false }: RestoreOptions = {}): void {
  const { manifest } = backup;
  const other = difference(manifest, running);
  if (other && !force) {
    throw refusal('E_BACKUP_OTHER_SITE', `The backup is of ${other.theirs}, ${host} runs ${other.ours}`, 'If that is what you want, add --force.');
  }
  if (manifest.dataVersion > running.data.version) {
    throw refusal(
      'E_BACKUP_NEWER',
      `The backup holds data of version ${manifest.dataVersion}, release ${running.id} on ${host} reads version ${running.data.version}`,
      `Roll out release ${manifest.release.version} or a newer one first, then restore.`,
    );
  }
  const unknown = manifest.volumes.map(({ name }) => name).filter((name) => !running.data.volumes.includes(name));
  if (unknown.length > 0) {
    throw refusal('E_BACKUP_VOLUMES', `The release on ${host} has no volume ${unknown.join(', ')}`, `Roll out release ${manifest.release.version} first, then restore.`);
  }
  checkSpace(host, backup, inventory);
}

function difference(theirs: BackupManifest, ours: ReleaseManifest): { theirs: string; ours: string } | undefined {
  if (theirs.name !== ours.name) return { theirs: `site '${theirs.name}'`, ours: `site '${ours.name}'` };
  if (theirs.domain !== ours.domain) return { theirs: `domain ${theirs.domain}`, ours: `domain ${ours.domain}` };
  if (theirs.recipe.name !== ours.recipe.name) return { theirs: `recipe '${theirs.recipe.name}'`, ours: `recipe '${ours.recipe.name}'` };
  return undefined;
}

/** The archive and what it unpacks to may share one disk, so both are asked of the engine's. */
function checkSpace(host: string, { sizeBytes, unpackedBytes }: VerifiedBackup, { freeBytes, engineFreeBytes }: HostInventory): void {
  const missingBytes = Math.max(sizeBytes + reserveBytes - freeBytes, sizeBytes + unpackedBytes + reserveBytes - engineFreeBytes);
  if (missingBytes <= 0) return;
  throw refusal('E_HOST_DISK_FULL', `${host} lacks ${Math.ceil(missingBytes / 1e6)} MB of free space for the restore`, 'Free some there: `docker image prune` removes images that nothing uses.');
}

/** Uploads the backup and has the updater put its data in the place of today's. */
export function restoreTasks(context: Context, device: Device, file: string, { manifest, sizeBytes, sha256 }: VerifiedBackup): Task[] {
  const name = copyName('restore');
  const uploaded = path.posix.join(device.paths.incomingDirectory, `${name}.tar.gz`);
  const words = [...(manifest.secrets.length > 0 ? ['secrets'] : []), ...manifest.volumes.map((volume) => `volume=${volume.name}`)];
  return [
    {
      id: 'upload',
      title: `Upload ${path.basename(file)}`,
      run: (report) =>
        device.connection.files.upload(
          { sizeBytes, chunks: createReadStream(file, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer> },
          uploaded,
          { mode: 0o600, onProgress: (doneBytes) => report.progress(doneBytes, sizeBytes) },
        ),
    },
    {
      id: 'restore',
      title: 'Unpack, swap the data, start services',
      run: async (report) => {
        try {
          await followUpdater(context, device, ['restore', name, sha256, ...words], report);
        } catch (error) {
          // A refusal may leave it in the drop zone; otherwise the updater has taken it, or is about to.
          if (error instanceof ShipError && error.exitStatus === ExitStatus.preflight) await device.connection.files.remove(uploaded);
          throw error;
        }
      },
    },
  ];
}

function refusal(code: `E_${string}`, message: string, remedy: string): ShipError {
  return new ShipError({ code, message, remedy, exitStatus: ExitStatus.preflight });
}
