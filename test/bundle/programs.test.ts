import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { provisionPrograms, provisionProgramFile } from '../../src/device/provision/programs.ts';
import { staticBusybox } from '../device/busybox.ts';

const execute = promisify(execFile);
const folder = path.resolve(import.meta.dirname, '../../src/bundle/install');
const installer = path.join(folder, 'install.sh');

test('shellcheck has nothing to say about the installer and what provision sends', async (t) => {
  for (const program of [installer, ...provisionPrograms.map(provisionProgramFile)]) {
    const { stdout } = await execute('shellcheck', ['--shell=sh', '--external-sources', '--source-path=SCRIPTDIR', program]).catch((error: unknown) => error as { stdout: string });
    t.is(stdout, '', program);
  }
});

test('dash and busybox sh can read them', async (t) => {
  const busybox = await staticBusybox();
  const parts = (await readdir(folder)).map((name) => path.join(folder, name));
  t.true(parts.length > 5);
  for (const program of [...parts, ...provisionPrograms.map(provisionProgramFile)]) {
    await t.notThrowsAsync(execute('dash', ['-n', program]));
    await t.notThrowsAsync(execute(busybox, ['sh', '-n', program]));
  }
});

test('an installer that was cut off anywhere does nothing', async (t) => {
  const { stdout } = await execute('sh', ['-c', 'head -n -1 "$1" | sh -s -- --help', 'sh', installer]);
  t.is(stdout, '');
  t.regex((await execute('sh', [installer, '--help'])).stdout, /^usage: sh install\.sh/);
});
