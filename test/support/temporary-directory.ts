import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

const made: string[] = [];
process.on('exit', () => {
  for (const directory of made) rmSync(directory, { recursive: true, force: true });
});

/** A folder of its own for a test; it goes with the test's process. */
export async function temporaryDirectory(name: string): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), `prose-ship-${name}-`));
  made.push(directory);
  return directory;
}
