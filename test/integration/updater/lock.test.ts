import { stat } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { devicePaths } from '../../../src/device/files.ts';
import { Device, readRun, type Run } from '../../device/device.ts';
import type { SampleRelease } from '../../device/sample-release.ts';

/** Who may change a device, and what stays written of it. Needs root, Linux, dockerd; fails without. */
let device: Device;
const stateDirectory = devicePaths.stateDirectory;

test.before('a device with a release', async (t) => {
  t.timeout(180_000);
  device = await Device.create();
  const run = await device.rollout(release('1.0.0'));
  if (run.status !== 0) throw new Error(run.output);
});

test.after.always(async () => {
  await (device as Device | undefined)?.destroy();
});

function release(version: string, healthy = true): SampleRelease {
  const probes = [['http', `http://127.0.0.1:8080/${healthy ? 'version' : 'nothing'}`, '200']];
  return { version, timeoutSeconds: healthy ? 20 : 600, services: [{ name: 'web', content: version, port: 8080, probes }] };
}

/** Starts a rollout that waits for its gate, and gives its log's name once it has replaced the old release. */
async function startWaiting(version: string, operator: string): Promise<string> {
  const id = await device.upload(release(version, false));
  const { stdout } = await device.host.exec(`PROSE_SHIP_OPERATOR='${operator}' ${devicePaths.updater} start rollout ${id}`);
  const log = stdout.trim();
  await device.host.exec(`until grep -q 'waiting for the gate' ${stateDirectory}/log/${log}; do sleep 0.1; done`, { timeoutMs: 60_000 });
  return log;
}

async function follow(log: string): Promise<Run> {
  const { exitCode, stdout, stderr } = await device.host.exec([devicePaths.updater, 'follow', log], { timeoutMs: 90_000 });
  return readRun(exitCode, stdout, stderr);
}

/** As a run that made no progress for an hour: it stands still, and its last sign of progress is an hour old. */
async function hang(): Promise<void> {
  const frozen = await device.host.exec(`set -e
    pid=$(awk '$1 == "pid" { print $2 }' ${stateDirectory}/lock)
    kill -STOP $pid
    IFS='. ' read -r uptime _ </proc/uptime
    echo "$pid $((uptime - 3600))" >/run/prose-ship/heartbeat`);
  if (frozen.exitCode !== 0) throw new Error(frozen.stderr);
}

async function status(key: string): Promise<string[]> {
  const { stdout } = await device.host.exec([devicePaths.updater, 'status']);
  return stdout.split('\n').filter((line) => line.startsWith(`${key}\t`)).map((line) => line.slice(key.length + 1));
}

test.serial('the second operator is told who is first, since when, and that it gets on', async (t) => {
  t.timeout(180_000);
  const log = await startWaiting('1.1.0', 'anna from 198.18.0.9');
  const second = await device.run('prune', 'PROSE_SHIP_OPERATOR=bert');
  t.is(second.status, 3, second.output);
  t.deepEqual(second.codes, ['E_LOCKED']);
  const holder = /owner anna from 198\.18\.0\.9, run rollout 1\.1\.0-\w+, began \d+ s ago, last progress [0-9] s ago$/m;
  t.regex(second.output, holder);
  t.regex((await status('locked')).join('\n'), holder);
  for (const [words, reason] of [
    ['', /E_LOCKED\t.*; it counts as hung after 30 min without progress/],
    [' bert', /E_LOCKED\t.*; it is not that of bert/],
  ] as const) {
    const refused = await device.run(`steal-lock${words}`);
    t.is(refused.status, 3, refused.output);
    t.regex(refused.output, reason);
  }
  // By its name a run is ended that gets on; it goes back by itself.
  const stolen = await device.run('steal-lock anna', 'PROSE_SHIP_OPERATOR=bert');
  t.is(stolen.status, 0, stolen.output);
  const ended = await follow(log);
  t.is(ended.status, 4, ended.output);
  t.is(await device.answer(), '1.0.0');
  t.deepEqual(await status('locked'), []);
  const audit = await status('audit');
  t.regex(audit.at(-2) ?? '', /\tbert\tsteal-lock anna\ttook the lock from owner anna .*\(SIGTERM\)$/);
  t.regex(audit.at(-1) ?? '', /\tbert\tsteal-lock anna\tdone\tseconds=\d+ from=1\.0\.0-\w+ to=1\.0\.0-\w+ log=steal-lock-\S+$/);
  t.regex(audit.at(-3) ?? '', /\tanna from 198\.18\.0\.9\trollout \S+\trolled back E_INTERRUPTED\tseconds=\d+ .* code=E_INTERRUPTED log=\S+$/);
});

test.serial('a run that hangs is killed, and what it left half-way is finished or reverted', async (t) => {
  t.timeout(180_000);
  const log = await startWaiting('1.2.0', 'anna');
  await hang();
  t.regex((await status('locked')).join('\n'), /last progress 60 min ago$/);
  await device.host.exec(`sed -i 's/^resumes.*/resumes\\t3/' ${stateDirectory}/journal`);
  const stolen = await device.run('steal-lock', 'PROSE_SHIP_OPERATOR=bert');
  t.is(stolen.status, 0, stolen.output);
  t.true(stolen.states.includes('rolled-back'), stolen.output);
  t.deepEqual((await follow(log)).codes, ['E_INTERRUPTED']);
  t.is(await device.answer(), '1.0.0');
  t.regex((await status('audit')).at(-2) ?? '', /took the lock from owner anna, run rollout .* last progress 60 min ago \(SIGKILL\)$/);
  t.is((await device.host.exec('ls -d /tmp/updater-*')).stdout, '');
});

test.serial('nobody is ended where nobody holds the lock, or another program does', async (t) => {
  const free = await device.run('steal-lock');
  t.is(free.status, 0, free.output);
  const holder = device.host.exec(`flock ${stateDirectory}/lock sleep 5`);
  await device.host.exec(`while flock -n ${stateDirectory}/lock true; do sleep 0.1; done`, { timeoutMs: 60_000 });
  t.deepEqual(await status('locked'), ['a program that is not a run of the updater']);
  const refused = await device.run('steal-lock');
  t.is(refused.status, 3, refused.output);
  t.regex(refused.output, /E_LOCKED\t.*a program that is not a run of the updater/);
  t.is((await holder).exitCode, 0);
});

test.serial('a jump of the clock makes no run old', async (t) => {
  // `date` is all that the updater has of the clock: here it goes ten years back between two looks.
  await device.host.exec(`printf '#!/bin/sh\\nexec /usr/bin/date --date "$(if [ -e /tmp/jump ]; then echo 2016-01-01; else echo 2036-01-01; fi)" "$@"\\n' >/usr/local/bin/date; chmod 755 /usr/local/bin/date`);
  const log = await startWaiting('1.3.0', 'anna');
  await device.host.exec('touch /tmp/jump');
  t.regex((await status('locked')).join('\n'), /began \d+ s ago, last progress \d s ago$/);
  await device.host.exec('rm /usr/local/bin/date /tmp/jump');
  t.is((await device.run('steal-lock anna')).status, 0);
  t.is((await follow(log)).status, 4);
});

test.serial('the audit log is bounded, and status shows its last lines all the same', async (t) => {
  const file = path.join(device.host.root, stateDirectory, 'audit.log');
  await device.host.exec(`head -c 262144 /dev/zero | tr '\\0' x >>${stateDirectory}/audit.log; echo >>${stateDirectory}/audit.log`);
  t.is((await device.run('prune')).status, 0);
  t.true((await stat(file)).size < 1000);
  t.true((await stat(`${file}.1`)).size > 262_144);
  t.is((await status('audit')).length, 10);
});
