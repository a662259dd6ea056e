import { constants } from 'node:fs';
import { access, readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../../../context.ts';
import { ExitStatus, ShipError } from '../../../errors.ts';
import { run } from '../../../host/process.ts';
import { diskutilCommand, parseDiskutil } from './diskutil.ts';
import { lsblkCommand, parseLsblk } from './lsblk.ts';
import { parseMountinfo } from './mountinfo.ts';
import type { FlashTarget } from './flash-target.ts';

const lsblkTimeoutMs = 20_000;

/**
 * Asks the system what `name` is. A file that is not there yet is a target too, except among the devices.
 * @throws ShipError E_DEVICE_NOT_FOUND, E_DEVICE_KIND (a folder, a terminal, ...), E_DEVICE_PERMISSION; exit status 3
 */
export async function inspectTarget(context: Context, name: string): Promise<FlashTarget> {
  const file = await realpath(name).catch(() => path.resolve(name));
  const found = await stat(file).catch((caught: unknown) => {
    const error = caught as NodeJS.ErrnoException;
    if (error.code === 'ENOENT') return undefined;
    throw refused('E_DEVICE_PERMISSION', `'${name}' cannot be looked at (${error.code ?? error.message})`, permissionRemedy);
  });
  if (!found) {
    const folder = await stat(path.dirname(file)).catch(() => undefined);
    if (file.startsWith('/dev/') || !folder?.isDirectory()) throw refused('E_DEVICE_NOT_FOUND', `There is no '${name}'`, `Put the card in; \`${listing}\` lists the disks.`);
    return { ...fileTarget(file), kind: 'new-file', sizeBytes: 0 };
  }
  if (!found.isBlockDevice() && !found.isFile()) {
    throw refused('E_DEVICE_KIND', `'${name}' is ${found.isDirectory() ? 'a folder' : 'no block device and no plain file'}`, `Name a whole disk; \`${listing}\` lists them.`);
  }
  const target = found.isFile() ? { ...fileTarget(file), sizeBytes: found.size } : await describeDevice(context, file);
  return access(target.openPath, constants.R_OK | constants.W_OK).then(
    () => target,
    (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'EROFS') return { ...target, readOnly: true };
      throw refused('E_DEVICE_PERMISSION', `You may not write to '${name}'`, permissionRemedy);
    },
  );
}

const listing = process.platform === 'darwin' ? 'diskutil list' : 'lsblk';
const permissionRemedy = 'Run the same command with `sudo`, or join the group that owns it (`disk` on Debian).';

function fileTarget(file: string): FlashTarget {
  return { path: file, openPath: file, kind: 'file', sizeBytes: 0, removable: true, readOnly: false, contents: [], uses: [], deviceNumbers: [] };
}

async function describeDevice(context: Context, device: string): Promise<FlashTarget> {
  if (process.platform === 'darwin') {
    const ask = async (verb: 'info' | 'list') => (await run(context, diskutilCommand(device, verb), { timeoutMs: lsblkTimeoutMs })).stdout;
    return parseDiskutil(await ask('info'), await ask('list'));
  }
  const { stdout } = await run(context, lsblkCommand(device), { timeoutMs: lsblkTimeoutMs });
  return parseLsblk(stdout, parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8')));
}

function refused(code: ShipError['code'], message: string, remedy: string): ShipError {
  return new ShipError({ code, message, remedy, exitStatus: ExitStatus.preflight });
}
