import { ExitStatus, ShipError } from '../../../errors.ts';

/** Where in the file system something is wrong; offsets count bytes from the start of the partition. */
export interface Ext4Place {
  readonly inode?: number;
  readonly offset?: number;
}

/** The file system contradicts itself: E_EXT4, exit status 2. */
export function corrupt(what: string, { inode, offset }: Ext4Place = {}): ShipError {
  const where = [
    inode === undefined ? undefined : `inode ${inode}`,
    offset === undefined ? undefined : `offset ${offset}`,
  ].filter((part) => part !== undefined);
  return new ShipError({
    code: 'E_EXT4',
    message: `The ext4 file system is damaged: ${what}${where.length > 0 ? ` (${where.join(', ')})` : ''}`,
    remedy: 'Fetch the image again and compare its checksum; `e2fsck -fn` on the partition says what else is wrong.',
    exitStatus: ExitStatus.usage,
  });
}

/** The file system may be sound, but is nothing that can be taken as it is: E_EXT4, exit status 2. */
export function refused(message: string, remedy: string): ShipError {
  return new ShipError({ code: 'E_EXT4', message, remedy, exitStatus: ExitStatus.usage });
}
