import { execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';

const execute = promisify(execFile);
const repository = path.resolve(import.meta.dirname, '..');

async function scripts(): Promise<string[]> {
  const entries = await readdir(path.join(repository, 'dockerfiles'), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name)).sort();
  const isScript = async (file: string) => file.endsWith('.sh') || /^#!.*\b(?:sh|dash|bash)\b/.test(await readFile(file, 'utf8'));
  const found = [];
  for (const file of files) if (await isScript(file)) found.push(path.relative(repository, file));
  return found;
}

test('shellcheck has nothing to say about the scripts of images, and dash can read them', async (t) => {
  const files = await scripts();
  for (const name of ['prosody/entrypoint.sh', 'os-image/assemble.sh', 'os-image/unpack.sh', 'os-image/initramfs/init']) t.true(files.includes(`dockerfiles/${name}`), name);
  const { stdout } = await execute('shellcheck', ['--shell=sh', ...files], { cwd: repository }).catch((error: unknown) => error as { stdout: string });
  t.is(stdout, '');
  for (const file of files) await t.notThrowsAsync(execute('dash', ['-n', file], { cwd: repository }), file);
});
