import path from 'node:path';
import { ExitStatus, ShipError } from '../errors.ts';
import type { Device } from './device.ts';
import type { UpdatePlan } from './plan-update.ts';

/** The folder of an upload where its archives are. */
export const imagesFolder = 'images';

/**
 * The drop zone belongs to one login: that which provisioned last.
 * @throws ShipError E_NOT_PROVISIONED (exit status 3) when that is another one
 */
export async function checkDropZone({ host, paths, connection: { uid, user, files } }: Device): Promise<void> {
  if (uid === 0) return;
  const found = await files.stat(paths.incomingDirectory);
  if (found?.uid === uid) return;
  throw new ShipError({
    code: 'E_NOT_PROVISIONED',
    message: `${paths.incomingDirectory} on ${host.name} ${found ? `belongs to uid ${found.uid}` : 'is not there'}, so ${user} cannot upload`,
    remedy: `Run \`prose-ship provision ${host.name}\` as ${user}, when nobody else uploads: it gives the folder to ${user}.`,
    exitStatus: ExitStatus.preflight,
  });
}

/** What an earlier, cut upload of this release takes of the host's disk; as much less is needed now. */
export async function uploadedBytes({ paths, connection: { files } }: Device, { release, sendBytes }: UpdatePlan): Promise<number> {
  const directory = path.posix.join(paths.incomingDirectory, release, imagesFolder);
  if (sendBytes === 0) return 0;
  try {
    if ((await files.stat(directory))?.kind !== 'directory') return 0;
    const stats = await Promise.all((await files.list(directory)).map((name) => files.stat(path.posix.join(directory, name))));
    return Math.min(stats.reduce((total, stat) => total + (stat?.sizeBytes ?? 0), 0), sendBytes);
  } catch (error) {
    // Somebody else's, and not for us to read until it is taken over.
    if (error instanceof ShipError && error.code === 'E_REMOTE_FILE') return 0;
    throw error;
  }
}

/**
 * What somebody else brought of the same release, under another login, becomes ours to go on with: its bytes are known
 * by their digest, not by who sent them. Uploads of other releases stay whose they are.
 */
export async function takeOver({ connection }: Device, upload: string): Promise<void> {
  if (connection.uid === 0) return;
  const script = 'if [ -d "$1" ] && [ ! -L "$1" ]; then chown -R -h "$2" "$1" && chmod -R u+rwX "$1"; fi';
  await connection.run(['sh', '-c', script, 'sh', upload, String(connection.uid)], { sudo: true });
}
