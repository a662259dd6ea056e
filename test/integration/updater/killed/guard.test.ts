import path from 'node:path';
import test from 'ava';
import { devicePaths } from '../../../../src/device/files.ts';
import { rolloutStates } from '../../../../src/device/rollout-log.ts';
import { Device } from '../../../device/device.ts';
import { neverWell, release, web } from '../../../device/web-service.ts';

/** An updater that is killed by itself, and a host that nobody boots and nobody asks for anything. Needs root, Linux, dockerd. */
let device: Device;

test.before('a device that serves a release', async () => {
  device = await Device.create();
  const run = await device.rollout(release('7.9.0', { services: [web('7.9.0')] }));
  if (run.status !== 0) throw new Error(run.output);
});

test.after.always('gone', async () => {
  await (device as Device | undefined)?.destroy();
});

/** Until a run that was killed has been ended by the one that its guard began: nothing but looking is done. */
async function untilEnded(id: string): Promise<void> {
  const ended = `until grep -q '^next\t-$' journal && grep -q '^id\t${id}$' journal && ! pgrep -f '/updater [g]uard '; do sleep 0.2; done`;
  const waited = await device.host.exec(`cd ${devicePaths.stateDirectory}; ${ended}`, { timeoutMs: 200_000 });
  if (waited.exitCode !== 0) throw new Error(await device.read(`${devicePaths.stateDirectory}/journal`));
}

for (const state of ['verified', 'stopped', 'started', 'committed'] as const) {
  test.serial(`killed alone right after '${state}', the host ends well by itself`, async (t) => {
    const content = `8.${rolloutStates.indexOf(state)}.0`;
    const id = await device.upload(release(content, { services: [web(content)] }));
    const before = await device.answer();
    const log = (await device.host.exec(`PROSE_SHIP_OPERATOR=anna PROSE_SHIP_FAULT=${state} ${devicePaths.updater} start rollout ${id}`)).stdout.trim();
    const followed = await device.host.exec([devicePaths.updater, 'follow', log], { timeoutMs: 120_000 });
    t.is(followed.exitCode, 1, followed.stdout);
    t.regex(followed.stdout, /\terror\tE_INTERRUPTED\t/);
    await untilEnded(id);
    t.like(await device.journal(), { id, state: 'committed', next: '-' });
    t.not(await device.answer(), before);
    t.is(await device.answer(), content);
    t.regex(await device.read(`${devicePaths.stateDirectory}/audit.log`), new RegExp(`\tanna\tboot\tdone\tseconds=\\d+ .*to=${id} log=\\S+\n$`));
    t.is((await device.host.exec(`ls -d /tmp/updater-* ${devicePaths.stateDirectory}/reserve*`)).stdout, '');
  });
}

test.serial('what is killed each time goes back in the end, by itself', async (t) => {
  const before = await device.answer();
  const hook = '/etc/prose-ship/hooks/before-commit.d/kill';
  // A hook runs in the midst of the run that holds the lock.
  await device.host.exec(`install -d ${path.dirname(hook)}; cat >${hook} <<'END'
#!/bin/sh
kill -KILL "$(awk '$1 == "pid" { print $2 }' ${devicePaths.stateDirectory}/lock)"
END
    chmod 755 ${hook}`);
  const id = await device.upload(release('8.9.0', { services: [web('8.9.0')] }));
  await device.host.exec(`${devicePaths.updater} start rollout ${id}`);
  await untilEnded(id);
  await device.host.exec(`rm ${hook}`);
  t.like(await device.journal(), { id, state: 'rolled-back', code: 'E_INTERRUPTED', resumes: '3' });
  t.is(await device.answer(), before);
});

test.serial('a guard that is told to end ends its run and begins no other', async (t) => {
  const before = await device.answer();
  const id = await device.upload(release('8.10.0', { timeoutSeconds: 60, services: [web('8.10.0', neverWell)] }));
  const log = (await device.host.exec(`${devicePaths.updater} start rollout ${id}`)).stdout.trim();
  await device.host.exec(`until grep -q 'waiting for the gate' ${devicePaths.stateDirectory}/log/${log}; do sleep 0.1; done; pkill -TERM -f '/updater [g]uard '`, { timeoutMs: 120_000 });
  const followed = await device.host.exec([devicePaths.updater, 'follow', log], { timeoutMs: 120_000 });
  t.is(followed.exitCode, 4, followed.stdout);
  await untilEnded(id);
  t.is(await device.answer(), before);
});
