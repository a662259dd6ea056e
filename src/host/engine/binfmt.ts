/** A registered interpreter of the kernel (Documentation/admin-guide/binfmt-misc.rst). */
export interface BinfmtEntry {
  readonly name: string;
  readonly enabled: boolean;
  readonly interpreter: string;
  /** Letters; F: the interpreter was opened at registration, so that it works in containers and chroots. */
  readonly flags: string;
  /** e_machine of the ELF header that the magic asks for; undefined where it asks for none. */
  readonly elfMachine?: number;
}

/** Offset of e_machine in the ELF header, in bytes; the same for 32 and 64 bits. */
const machineOffset = 18;

/** Reads a file of /proc/sys/fs/binfmt_misc. */
export function parseBinfmtEntry(name: string, text: string): BinfmtEntry {
  const field = (label: string): string => new RegExp(`^${label}:? +(.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';
  const elfMachine = elfMachineOf(field('magic'), Number(field('offset') || 0));
  return {
    name,
    enabled: /^enabled$/m.test(text),
    interpreter: field('interpreter'),
    flags: field('flags'),
    ...(elfMachine === undefined ? {} : { elfMachine }),
  };
}

function elfMachineOf(magicHex: string, offset: number): number | undefined {
  const magic = Buffer.from(magicHex, 'hex');
  if (offset !== 0 || magic.length < machineOffset + 2 || magic.toString('latin1', 1, 4) !== 'ELF') return undefined;
  const isLittleEndian = magic[5] === 1;
  return isLittleEndian ? magic.readUInt16LE(machineOffset) : magic.readUInt16BE(machineOffset);
}
