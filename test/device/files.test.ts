import { execFile } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { deviceFiles, devicePaths, updaterVersion } from '../../src/device/files.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { staticBusybox } from './busybox.ts';

const execute = promisify(execFile);
const updater = path.resolve(import.meta.dirname, '../../src/device/updater');
const scripts = deviceFiles().map(({ source }) => source).filter((source) => source === updater || source.endsWith('.sh'));

test('lays down the program, every part that it reads, and the unit that boots it', async (t) => {
  const program = (await Promise.all([updater, `${updater}.d/all.sh`].map((file) => readFile(file, 'utf8')))).join('\n');
  const parts = [...program.matchAll(/^ *\. "\$parts\/(\S+)"$/gm)].flatMap(([, part = '']) => ['docker', 'none'].map((engine) => part.replace('$engine_kind', engine)));
  const read = [...new Set(parts)].map((part) => `${devicePaths.libraryDirectory}/updater.d/${part}`);
  const targets = deviceFiles().map(({ target }) => target);
  t.deepEqual([...read, devicePaths.unit, devicePaths.updater].sort(), [...targets].sort());
  t.is(targets.at(-1), devicePaths.updater, 'the program comes last');
  for (const { source, mode, uid, gid } of deviceFiles()) {
    t.true((await stat(source)).isFile());
    t.deepEqual([mode, uid, gid], [source === updater ? 0o755 : 0o644, 0, 0]);
  }
  const unit = await readFile(deviceFiles().find(({ target }) => target === devicePaths.unit)!.source, 'utf8');
  t.true(unit.includes(`ExecStart=${devicePaths.updater} boot\n`));
});

test('systemd takes the unit, and starts it with every start of the engine', async (t) => {
  const directory = await temporaryDirectory('unit');
  const copy = path.join(directory, path.basename(devicePaths.unit));
  const unit = await readFile(deviceFiles().find(({ target }) => target === devicePaths.unit)!.source, 'utf8');
  // The program exists on the device, not here.
  await writeFile(copy, unit.replaceAll(devicePaths.updater, updater));
  t.is((await execute('systemd-analyze', ['verify', '--man=no', copy])).stderr, '');
  t.deepEqual(/^WantedBy=(.*)$/m.exec(unit)?.[1]?.split(' '), ['multi-user.target', 'docker.service']);
  t.notRegex(unit, /^(RemainAfterExit|Requires|PartOf|BindsTo)=/m, 'one that stays active is not started again; one that is bound is ended with the engine');
});

test('the updater knows its version and the same paths', async (t) => {
  t.is((await execute(updater, ['version'])).stdout, `${updaterVersion()}\n`);
  t.true((await readFile(updater, 'utf8')).includes(`STATE_DIR=${devicePaths.stateDirectory}\n`));
  t.true((await readFile(updater, 'utf8')).includes(`SETTINGS_DIR=${path.dirname(devicePaths.platformsFile)}\n`));
});

test('shellcheck has nothing to say', async (t) => {
  const result = await execute('shellcheck', ['--shell=sh', '--external-sources', '--source-path=SCRIPTDIR', updater]).catch(
    (error: unknown) => error as { stdout: string },
  );
  t.is(result.stdout, '');
});

test('dash and busybox sh can read it', async (t) => {
  const busybox = await staticBusybox();
  for (const script of scripts) {
    await t.notThrowsAsync(execute('dash', ['-n', script]));
    await t.notThrowsAsync(execute(busybox, ['sh', '-n', script]));
  }
  t.is((await execute(busybox, ['sh', updater, 'version'])).stdout, `${updaterVersion()}\n`);
});

test('wrong usage exits with 2 and says what is wrong', async (t) => {
  for (const [words, message] of [
    [['fly'], "unknown verb 'fly'"],
    [['rollout'], "'rollout' takes the ID of a release"],
    [['rollout', '../x'], "'../x' is not the ID of a release"],
    [['steal-lock', 'anna', 'bert'], "'steal-lock' takes at most the owner of the lock"],
    [['prune', 'all'], "'prune' takes no arguments"],
  ] as const) {
    const failure = await t.throwsAsync<Error & { code: number; stderr: string }>(execute(updater, [...words]));
    t.is(failure.code, 2);
    t.true(failure.stderr.includes(message), failure.stderr);
  }
});
