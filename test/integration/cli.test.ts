import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { jsonLines, proseShip } from '../cli/prose-ship.ts';
import { goodSite } from '../site/temporary-site.ts';
import { Sshd } from '../support/ssh/sshd.ts';

test('exec prints what the command printed, and tells its failure with its status', async (t) => {
  await using sshd = await Sshd.start();
  const { configFile } = await sshd.client();
  const options = { cwd: await temporaryDirectory('cli'), environment: { PROSE_SHIP_SSH_CONFIG: configFile } };
  const done = await proseShip(['exec', 'device', '--', 'echo', 'a  b', '--json'], options);
  t.is(done.exitCode, 0, done.stderr);
  t.is(done.stdout, 'a  b --json', 'words behind -- are the command’s');
  t.regex(done.stderr, /^(?:Connecting to device \.\.\.)?$/, 'said where a login is slow');

  const failed = await proseShip(['exec', 'device', '--', 'sh', '-c', 'echo said; exit 7'], options);
  t.is(failed.exitCode, 1);
  t.is(failed.stdout, 'said');
  t.regex(failed.stderr, /^(?:Connecting to device \.\.\.\n)?error: .* on device failed with exit status 7 \(E_REMOTE_COMMAND_FAILED\)$/, 'the output is not repeated');

  const json = await proseShip(['exec', 'device', '--json', '--', 'echo', 'hi'], options);
  t.deepEqual(jsonLines(t, json.stdout).at(-1), { type: 'result', ok: true, exitCode: 0, stdout: 'hi', stderr: '' });
  const jsonFailed = await proseShip(['exec', 'device', '--json', '--', 'false'], options);
  t.is(jsonFailed.exitCode, 1);
  t.like(jsonLines(t, jsonFailed.stdout).at(-1), { ok: false, error: { code: 'E_REMOTE_COMMAND_FAILED' } });
});

test('Ctrl-C, and a reader that goes away, end the command on the host', async (t) => {
  await using sshd = await Sshd.start();
  const { configFile } = await sshd.client();
  const directory = await temporaryDirectory('cli');
  const options = { cwd: directory, environment: { PROSE_SHIP_SSH_CONFIG: configFile } };
  for (const [how, name] of [['SIGINT', 'one'], ['EPIPE', 'two']] as const) {
    const ended = path.join(directory, name);
    const script = `trap 'touch ${ended}; exit' TERM; while :; do echo running; sleep 0.2; done`;
    const child = proseShip(['exec', 'device', '--', 'sh', '-c', script], options);
    await once(child.stdout, 'data');
    if (how === 'SIGINT') child.kill('SIGINT');
    else child.stdout.destroy();
    const { exitCode, stderr } = await child;
    t.is(exitCode, 130, stderr);
    t.is(stderr.includes('E_INTERRUPTED'), how === 'SIGINT');
    t.true(existsSync(ended), `the command was ended (${how})`);
  }
});

test('a host that cannot be trusted or reached is exit status 3, and is never trusted by --yes', async (t) => {
  await using sshd = await Sshd.start();
  const { configFile } = await sshd.client({ trust: [] });
  const options = { cwd: await temporaryDirectory('cli'), environment: { PROSE_SHIP_SSH_CONFIG: configFile } };
  const unknown = await proseShip(['exec', 'device', '--yes', '--json', '--', 'true'], options);
  t.is(unknown.exitCode, 3);
  t.like(jsonLines(t, unknown.stdout).at(-1), { ok: false, error: { code: 'E_HOST_KEY_UNKNOWN' } });

  const trusted = await proseShip(['exec', 'device', '--accept-host-key', sshd.fingerprint('ed25519'), '--', 'true'], options);
  t.is(trusted.exitCode, 0, trusted.stderr);
  t.is((await proseShip(['exec', 'device', '--', 'true'], options)).exitCode, 0, 'it is remembered');

  const unreachable = await proseShip(['status', 'root@127.0.0.1:1'], options);
  t.is(unreachable.exitCode, 3);
  t.regex(unreachable.stderr, /E_HOST_UNREACHABLE/);
});

test('hosts have their names from the site file; one that is not ready says what to run, with exit status 3', async (t) => {
  await using sshd = await Sshd.start();
  const { configFile } = await sshd.client();
  const cwd = await temporaryDirectory('cli');
  await writeFile(path.join(cwd, 'prose-ship.yaml'), `${goodSite}hosts:\n  kitchen: device\n`);
  const options = { cwd, environment: { PROSE_SHIP_SSH_CONFIG: configFile } };
  t.false(existsSync('/usr/lib/prose-ship/updater'), 'the test needs a machine that is no device itself');
  for (const verb of ['status', 'doctor', 'rollback']) {
    const { exitCode, stderr } = await proseShip([verb, 'kitchen'], options);
    t.is(exitCode, 3, stderr);
    t.regex(stderr, /kitchen has no updater yet \(E_NOT_PROVISIONED\)\n {2}-> Run `prose-ship provision kitchen`/);
  }
  for (const verb of ['logs', 'account list']) {
    const { exitCode, stderr } = await proseShip([...verb.split(' '), 'kitchen'], options);
    t.is(exitCode, 3, stderr);
    t.regex(stderr, /E_NOTHING_DEPLOYED/);
  }
});
