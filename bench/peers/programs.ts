import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Context } from '../../src/context.ts';
import { run } from '../../src/host/process.ts';

/**
 * A program of a Debian package that is not installed for this: only unpacked, and kept between runs, because installing it
 * would start a server of its own.
 */
export async function debianProgram(context: Context, name: string): Promise<string> {
  const installed = `/usr/bin/${name}`;
  if (existsSync(installed)) return installed;
  const kept = path.join(os.tmpdir(), `prose-ship-bench-${name}`);
  const program = path.join(kept, 'usr/bin', name);
  if (existsSync(program)) return program;
  await mkdir(os.tmpdir(), { recursive: true });
  const download = await mkdtemp(`${kept}-`);
  const script = 'apt-get download "$1" >/dev/null && dpkg -x "$1"_*.deb tree';
  await run(context, { program: 'sh', args: ['-c', script, 'sh', name], cwd: download }, { timeoutMs: 120_000 });
  await rename(path.join(download, 'tree'), kept).catch(() => {}); // another run was faster
  await rm(download, { recursive: true, force: true });
  if (!existsSync(program)) throw new Error(`the package ${name} has no ${program}`);
  return program;
}
