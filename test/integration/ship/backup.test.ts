import { once } from 'node:events';
import { copyFile, readFile, readdir, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import test from 'ava';
import { execa } from 'execa';
import { devicePaths } from '../../../src/device/files.ts';
import { verifyBackup } from '../../../src/ship/backup/verify-backup.ts';
import { Device } from '../../device/device.ts';
import type { SampleRelease } from '../../device/sample-release.ts';
import { entry, errorCode, node, proseShip, type CommandLineResult } from '../../support/command-line.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** Needs root, Linux, dockerd, sshd; fails without. */
const data = '/var/lib/docker/volumes/sample_data/_data';
const salt = `${devicePaths.secretsDirectory}/salt`;

let directory: string;
let file: string;
let one: Device;
let two: Device;

/** Its gate looks at the data: a file `poison` fails it. */
const release: SampleRelease = {
  version: '1.0.0',
  secrets: ['salt'],
  timeoutSeconds: 8,
  services: [{ name: 'web', content: '1.0.0', port: 8080, probes: [['command', '/bin/busybox', 'test', '!', '-e', '/data/poison'], ['http', 'http://127.0.0.1:8080/version', '200']] }],
};

function ship(device: Device, args: readonly string[]): Promise<CommandLineResult> {
  return proseShip(args, { cwd: directory, environment: { PROSE_SHIP_SSH_CONFIG: device.host.sshConfigFile } });
}

/** Everything about the tree: kinds, modes, owners, times, link counts and targets, contents, extended attributes. */
async function fingerprint(device: Device): Promise<string> {
  const script = `cd ${data} && find . -printf '%p %y %m %U:%G %T@ %n %l\\n' | sort
    find . -type f -print0 | sort -z | xargs -0 sha256sum
    python3 -c 'import os; print([(k, os.getxattr("plain", k)) for k in os.listxattr("plain")])'`;
  const { stdout, stderr, exitCode } = await device.host.exec(script);
  if (exitCode !== 0) throw new Error(stderr);
  return stdout;
}

/** No copy, upload or staging folder of ours. */
async function leftovers(device: Device): Promise<string> {
  const { stdout } = await device.host.exec(`ls -A ${devicePaths.stateDirectory}/backups ${devicePaths.incomingDirectory}
    ls -d ${path.dirname(data)}/prose-ship-restore ${devicePaths.stateDirectory}/prose-ship-restore ${devicePaths.stateDirectory}/data-journal`);
  return stdout.replaceAll(/^\/.*:$/gm, '').trim();
}

test.before('two hosts run the same release, one has data', async (t) => {
  t.timeout(3 * 60_000);
  directory = await temporaryDirectory('backup');
  file = path.join(directory, 'sample.tar.gz');
  [one, two] = await Promise.all([Device.create({ name: 'one' }), Device.create({ name: 'two', diskMiB: 400 })]);
  for (const [device, value] of [[one, 'of one'], [two, 'of two']] as const) {
    await device.host.exec(`mkdir -p ${devicePaths.secretsDirectory}; printf '${value}' >${salt}; chmod 444 ${salt}`);
    const run = await device.rollout(release);
    if (run.status !== 0) throw new Error(run.output);
  }
  const made = await one.host.exec(`set -e; cd ${data}
    mkdir -p 'deep/er folder' secret; chmod 0700 secret; chown 101:102 secret
    echo plain >plain; chown 7:8 plain; chmod 2640 plain; touch -d '2001-02-03 04:05:06.789' plain
    ln plain hard; ln -s ../nowhere link; mkfifo pipe; : >empty; echo x >"$(printf 'new\\nline \\\\ back')"
    i=0; while [ $i -lt 9 ]; do i=$((i + 1)); name=$name$i-a-name-that-is-long-; done; echo long >"deep/er folder/$name"
    head -c 3000000 /dev/urandom >secret/blob
    python3 -c 'import os; os.setxattr("plain", "user.note", bytes(range(256)))'`);
  if (made.exitCode !== 0) throw new Error(made.stderr);
});

test.after.always(async () => {
  for (const device of [one, two] as (Device | undefined)[]) await device?.destroy();
});

test.serial('a backup is one verified file for its owner only; services stop for moments', async (t) => {
  t.timeout(60_000);
  const before = await fingerprint(one);
  const container = await one.container('web');
  const made = await ship(one, ['backup', 'one', file, '--with-secrets']);
  t.is(made.exitCode, 0, made.stderr);
  const stoppedMs = made.result['stoppedMs'] as number;
  t.log(`services were stopped for ${stoppedMs} ms`);
  t.true(stoppedMs > 0 && stoppedMs < 20_000);
  t.is((await stat(file)).mode & 0o777, 0o600);
  t.is(await one.container('web'), container, 'the same container runs again');
  t.is(await one.answer(), '1.0.0');
  t.is(await fingerprint(one), before);
  t.is(await leftovers(one), '');
  const { manifest } = await verifyBackup(file);
  t.like(manifest, { name: 'sample', domain: 'sample.example', dataVersion: 1, cold: true, secrets: ['salt'], host: 'one' });
  const { stdout } = await execa('tar', ['-tzf', file]);
  t.is(stdout.split('\n')[0], 'backup.json');
  const unpacked = await temporaryDirectory('unpacked');
  await execa('tar', ['-xzf', file, '-C', unpacked]);
  await execa('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: unpacked });
});

test.serial('a restore onto another host brings every byte, owner, mode and time', async (t) => {
  t.timeout(60_000);
  await two.host.exec(`echo stale >${data}/stale`);
  const unasked = await ship(two, ['restore', 'two', file]);
  t.is(errorCode(unasked), 'E_NOT_CONFIRMED');
  const restored = await ship(two, ['restore', 'two', file, '--yes']);
  t.is(restored.exitCode, 0, restored.stderr);
  t.is(await fingerprint(two), await fingerprint(one));
  t.is(await two.read(salt), 'of one');
  t.is(await two.answer(), '1.0.0');
  t.is(await leftovers(two), '');
});

test.serial('what is damaged or does not belong there is refused before the host is touched', async (t) => {
  t.timeout(90_000);
  const before = await fingerprint(two);
  const container = await two.container('web');
  const { size } = await stat(file);
  const bytes = await readFile(file);
  const refused = async (code: string, content: Buffer, ...options: string[]) => {
    const damaged = path.join(directory, 'damaged.tar.gz');
    await writeFile(damaged, content);
    const result = await ship(two, ['restore', 'two', damaged, '--yes', ...options]);
    t.is(result.exitCode, 3, result.stderr);
    t.is(errorCode(result), code, result.stderr);
  };
  await refused('E_BACKUP_DAMAGED', bytes.subarray(0, size - 1));
  const flipped = Buffer.from(bytes);
  flipped[size >> 1]! ^= 1;
  await refused('E_BACKUP_DAMAGED', flipped, '--force');
  // As somebody would edit it who also mends the checksum.
  const edited = async (from: string, to: string) => {
    const folder = await temporaryDirectory('edited');
    await execa('tar', ['-xzf', file, '-C', folder]);
    const manifest = path.join(folder, 'backup.json');
    await writeFile(manifest, (await readFile(manifest, 'utf8')).replace(from, to));
    const { stdout: sum } = await execa('sha256sum', ['backup.json'], { cwd: folder });
    const sums = path.join(folder, 'SHA256SUMS');
    await writeFile(sums, (await readFile(sums, 'utf8')).replace(/^.*backup\.json$/m, sum));
    await execa('tar', ['-czf', 'edited.tar.gz', 'backup.json', 'volumes', 'secrets', 'SHA256SUMS'], { cwd: folder });
    return readFile(path.join(folder, 'edited.tar.gz'));
  };
  await refused('E_BACKUP_OTHER_SITE', await edited('sample.example', 'other.example'));
  await refused('E_BACKUP_NEWER', await edited('"dataVersion": 1', '"dataVersion": 2'), '--force');
  await refused('E_BACKUP_DAMAGED', gzipSync(gunzipSync(bytes).fill(0x41, 2_000_000, 2_000_001), { level: 1 }));
  t.is(await fingerprint(two), before);
  t.is(await two.container('web'), container);
  t.is(await leftovers(two), '');
});

test.serial('data with which the gate fails goes, the old data comes back', async (t) => {
  t.timeout(60_000);
  const poisoned = path.join(directory, 'poisoned.tar.gz');
  await one.host.exec(`: >${data}/poison`);
  const live = await ship(one, ['backup', 'one', poisoned, '--live']);
  t.is(live.exitCode, 0, live.stderr);
  t.is(live.result['stoppedMs'], 0);
  t.like((await verifyBackup(poisoned)).manifest, { cold: false, secrets: [] });
  await one.host.exec(`rm ${data}/poison`);
  const before = await fingerprint(two);
  const restored = await ship(two, ['restore', 'two', poisoned, '--yes']);
  t.is(restored.exitCode, 4, restored.stderr);
  t.regex(restored.stderr, /The data from before is back/);
  t.is(await fingerprint(two), before);
  t.is(await two.answer(), '1.0.0');
  t.is(await leftovers(two), '');
});

test.serial('a power cut at any step leaves the old data whole and the services up', async (t) => {
  t.timeout(120_000);
  await two.host.exec(`echo old >${data}/marker`);
  const before = await fingerprint(two);
  const { sha256 } = await verifyBackup(file);
  for (const fault of ['restore-unpacking', 'restore-stopped', 'restore-half', 'restore-swapped', 'backup-stopped']) {
    await copyFile(file, path.join(two.host.root, devicePaths.incomingDirectory, 'x.tar.gz'));
    await two.run(fault.startsWith('backup') ? 'backup x secrets' : `restore x ${sha256} secrets volume=data`, `PROSE_SHIP_FAULT=${fault}`);
    t.not((await two.host.exec(`ls ${devicePaths.stateDirectory}/data-journal`)).stdout, '', fault);
    if (fault === 'restore-half') await two.host.reboot();
    const booted = await two.run('boot');
    t.is(booted.status, 0, booted.output);
    t.is(await fingerprint(two), before, fault);
    t.is(await two.answer(), '1.0.0', fault);
    await two.host.exec(`rm -f ${devicePaths.incomingDirectory}/x.tar.gz`);
    t.is(await leftovers(two), '', fault);
  }
});

test.serial('a disk without room refuses both before anything stops', async (t) => {
  t.timeout(60_000);
  await two.host.fillDisk(2);
  const container = await two.host.exec("docker inspect -f '{{.State.StartedAt}}' $(docker ps -q)");
  const backup = await ship(two, ['backup', 'two', path.join(directory, 'full.tar.gz')]);
  t.is(backup.exitCode, 3, backup.stderr);
  t.is(errorCode(backup), 'E_DISK_FULL');
  const restored = await ship(two, ['restore', 'two', file, '--yes']);
  t.is(restored.exitCode, 3, restored.stderr);
  t.is(errorCode(restored), 'E_HOST_DISK_FULL');
  t.is((await two.host.exec("docker inspect -f '{{.State.StartedAt}}' $(docker ps -q)")).stdout, container.stdout);
  await two.host.fillDisk(undefined);
  t.is(await leftovers(two), '');
});

test.serial('a restore while another run holds the lock is refused and leaves nothing', async (t) => {
  const holder = two.host.exec(`rm -f /tmp/done; flock ${devicePaths.stateDirectory}/lock sh -c 'until [ -e /tmp/done ]; do sleep 0.1; done'`, { timeoutMs: 60_000 });
  const refused = await ship(two, ['restore', 'two', file, '--yes']);
  t.is(refused.exitCode, 3, refused.stderr);
  t.is(errorCode(refused), 'E_LOCKED');
  t.is(await leftovers(two), '');
  await two.host.exec('touch /tmp/done');
  await holder;
});

test.serial('a copy whose laptop went away goes with the next run', async (t) => {
  const made = await two.run('backup abandoned');
  t.is(made.status, 0, made.output);
  t.is(await leftovers(two), 'abandoned');
  t.is((await two.run('prune')).status, 0);
  t.is(await leftovers(two), '');
});

test.serial('Ctrl-C during the download leaves no file and no copy, and services that run', async (t) => {
  t.timeout(60_000);
  await one.host.exec(`head -c 80000000 /dev/urandom >${data}/big`);
  const target = path.join(directory, 'interrupted.tar.gz');
  const child = execa(node, [entry, 'backup', 'one', target, '--json'], {
    reject: false,
    cwd: directory,
    env: { CI: '1', PROSE_SHIP_SSH_CONFIG: one.host.sshConfigFile },
  });
  let seen = '';
  while (!seen.includes('"type":"progress"')) seen += String((await once(child.stdout, 'data'))[0]);
  child.kill('SIGINT');
  const { exitCode, stderr } = await child;
  t.is(exitCode, 130, stderr);
  t.deepEqual((await readdir(directory)).filter((name) => name.includes('interrupted')), []);
  t.is(await one.answer(), '1.0.0');
  t.is(await leftovers(one), '');
  await truncate(path.join(one.host.root, data, 'big'), 0);
});
