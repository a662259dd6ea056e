import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Context } from '../context.ts';
import type { Secret } from '../secret.ts';

/**
 * Writes secrets to files that only this user can read, for as long as `use` runs: buildx takes a secret from a file or
 * from the environment, and the environment is what every child inherits. XDG_RUNTIME_DIR is in memory, where it exists.
 */
export async function withPrivateFiles<T>(
  context: Context,
  secrets: Readonly<Record<string, Secret>>,
  use: (files: Readonly<Record<string, string>>) => Promise<T>,
): Promise<T> {
  const ids = Object.keys(secrets);
  if (ids.length === 0) return use({});
  const directory = await mkdtemp(path.join(context.environment['XDG_RUNTIME_DIR'] ?? os.tmpdir(), 'prose-ship-'));
  try {
    const files: Record<string, string> = {};
    for (const [index, [id, secret]] of Object.entries(secrets).entries()) {
      const file = path.join(directory, String(index));
      context.secrets.add(secret.reveal());
      await writeFile(file, secret.reveal(), { mode: 0o600, flag: 'wx' });
      files[id] = file;
    }
    return await use(files);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
