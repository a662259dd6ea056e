import { open, readFile } from 'node:fs/promises';

/** How much of the console an error shows. */
const shownLines = 40;
/** Read from the end; a console that a crashing driver floods is not read whole. */
const readBytes = 256 * 1024;

/** What makes waiting pointless, as kernel, initramfs and systemd say it. */
const fatal: readonly RegExp[] = [
  /^.*initramfs: error: (.*)$/m,
  /(Kernel panic - not syncing: .*)$/m,
  /(You are in (?:emergency|rescue) mode)/,
  /(Cannot open access to console, the root account is locked)/,
];

/** The last lines of a console log, without control sequences and carriage returns. */
export async function consoleTail(file: string, lines = shownLines): Promise<string> {
  return lastLines(await readEnd(file), lines);
}

/** What the machine died of, or undefined while it may still come up. */
export async function bootProblem(file: string): Promise<string | undefined> {
  return findBootProblem(await readEnd(file));
}

export function findBootProblem(log: string): string | undefined {
  const text = plainText(log);
  for (const pattern of fatal) {
    const match = pattern.exec(text);
    if (match?.[1] !== undefined) return match[1].trim();
  }
  return undefined;
}

export function lastLines(log: string, lines: number): string {
  return plainText(log).trimEnd().split('\n').slice(-lines).join('\n');
}

/** systemd colours its messages and moves the cursor (ECMA-48). */
function plainText(log: string): string {
  // eslint-disable-next-line no-control-regex -- control sequences are what is looked for
  return log.replace(/\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_]|\r/g, '');
}

async function readEnd(file: string): Promise<string> {
  try {
    await using handle = await open(file, 'r');
    const { size } = await handle.stat();
    if (size <= readBytes) return await readFile(file, 'utf8');
    const buffer = Buffer.alloc(readBytes);
    const { bytesRead } = await handle.read(buffer, 0, readBytes, size - readBytes);
    return buffer.toString('utf8', 0, bytesRead);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
