import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { FlashPlan } from './plan-flash.ts';

/** What the kernel says of a disk that was pulled out, or that gave up. */
const lost: readonly string[] = ['EIO', 'ENXIO', 'ENODEV', 'ENOSPC', 'ENODATA', 'ENOMEDIUM', 'EREMOTEIO', 'EROFS', 'ENOENT', 'ETIMEDOUT', 'EBADF'];

export interface FlashProgress {
  /** Whether the target's partition table is gone already. */
  readonly marked: boolean;
  readonly doneBytes: number;
}

/** The error of a flash that did not finish: what happened, how far it came, and that the target is not usable. */
export function flashFailure(context: Context, { target, plannedBytes }: FlashPlan, error: unknown, { marked, doneBytes }: FlashProgress): unknown {
  const { path, kind } = target;
  const far = `after ${doneBytes}${plannedBytes === undefined ? '' : ` of ${plannedBytes}`} bytes`;
  const left = !marked ? `${path} was not changed.` : kind === 'new-file' ? `${path} was removed again.` : `${path} is not usable until it is flashed again: it has no partition table now.`;
  const result = { device: path, usable: false, writtenBytes: doneBytes };
  if (context.signal.aborted) {
    return new ShipError({ code: 'E_INTERRUPTED', message: `Interrupted ${far}. ${left}`, remedy: 'Run the same command again; it begins from the start.', exitStatus: ExitStatus.interrupted, result });
  }
  if (error instanceof ShipError) {
    if (!marked) return error;
    const { code, message, remedy, place, output, cause } = error;
    return new ShipError({
      code,
      message: `${message}. ${left}`,
      ...(remedy ? { remedy } : {}),
      ...(place ? { place } : {}),
      ...(output ? { output } : {}),
      cause,
      exitStatus: ExitStatus.failed,
      result: { ...error.result, ...result },
    });
  }
  const cause = (error as NodeJS.ErrnoException).code ?? '';
  if (cause === 'EBUSY') {
    return new ShipError({
      code: 'E_DEVICE_IN_USE',
      message: `${path} is in use by another program, a container or another mount namespace`,
      remedy: `\`sudo fuser -v ${path}*\` tells by whom. Close it, and take the card out and put it in again.`,
      exitStatus: ExitStatus.preflight,
      cause: error,
    });
  }
  if (!lost.includes(cause)) return error;
  if (kind !== 'disk' && cause === 'ENOSPC') {
    return new ShipError({ code: 'E_DISK_FULL', message: `There is no room left for ${path} ${far}. ${left}`, remedy: 'Make room, or name another place.', result, cause: error });
  }
  return new ShipError({
    code: 'E_DEVICE_LOST',
    message: `${path} went away or gave up ${far} (${cause}). ${left}`,
    remedy: 'Put the card in again, try another reader, then another card.',
    result,
    cause: error,
  });
}
