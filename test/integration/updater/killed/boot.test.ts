import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { devicePaths } from '../../../../src/device/files.ts';
import { rolloutStates } from '../../../../src/device/rollout-log.ts';
import { Device } from '../../../device/device.ts';
import { neverWell, release, web } from '../../../device/web-service.ts';

let device: Device;

test.before('a device that serves a release', async () => {
  device = await Device.create();
  const run = await device.rollout(release('5.1.0', { services: [web('5.1.0')] }));
  if (run.status !== 0) throw new Error(run.output);
});

test.after.always('gone', async () => {
  await (device as Device | undefined)?.destroy();
});

for (const [index, state] of rolloutStates.entries()) {
  test.serial(`killed right after '${state}', the next boot ends well`, async (t) => {
    const failing = state === 'rolled-back';
    const content = `6.${index}.0`;
    const service = web(content, failing ? neverWell : {});
    const id = await device.upload(release(content, { timeoutSeconds: failing ? 1 : 20, services: [service] }));
    const killed = await device.run(`rollout ${id}`, `PROSE_SHIP_FAULT=${state}`);
    t.is(killed.status, 137, killed.output);
    t.is(killed.states.at(-1), state);
    // A power cut in the middle of the replacement, and kills without one elsewhere.
    if (state === 'started' || state === 'stopped') await device.host.reboot();
    const boot = await device.run('boot');
    t.is(boot.status, 0, boot.output);
    const journal = await device.journal();
    t.like(journal, { id, state: failing ? 'rolled-back' : 'committed', next: '-' });
    t.is(await device.answer(), failing ? '6.8.0' : content);
    t.is((await device.inventory()).currentId === id, !failing);
    t.is((await device.host.exec(`ls -d /tmp/updater-* ${devicePaths.stateDirectory}/reserve*`)).stdout, '', 'neither scratch space nor what was set aside stays');
  });
}

test.serial('what keeps dying is reverted in the end', async (t) => {
  const id = await device.upload(release('7.0.0', { services: [web('7.0.0')] }));
  t.is((await device.run(`rollout ${id}`, 'PROSE_SHIP_FAULT=stopped')).status, 137);
  for (let boots = 0; boots < 3; boots += 1) {
    const journal = path.join(device.host.root, devicePaths.stateDirectory, 'journal');
    await writeFile(journal, (await readFile(journal, 'utf8')).replace(/^state\t.*$/m, 'state\tstopped').replace(/^next\t.*$/m, 'next\tsnapshotted'));
    t.is((await device.run('boot', 'PROSE_SHIP_FAULT=started')).status, 137);
  }
  const boot = await device.run('boot');
  t.is(boot.status, 0, boot.output);
  t.like(await device.journal(), { id, state: 'rolled-back', code: 'E_INTERRUPTED' });
  t.is(await device.answer(), '6.8.0');
});

test.serial('data goes back under nothing that runs, even if the engine started it meanwhile', async (t) => {
  const data = '/var/lib/docker/volumes/sample_data/_data/format';
  const writing = (content: string) => web(content, { command: ['/bin/sh', '-c', `echo ${content} >/data/format; exec /bin/busybox httpd -f -p 80 -h /www`] });
  const rollOut = async (version: string, dataVersion: number) => t.is((await device.rollout(release(version, { dataVersion, services: [writing(version)] }))).status, 0);
  await rollOut('7.0.1', 1);
  await rollOut('7.0.2', 2);
  t.is((await device.run('rollback', 'PROSE_SHIP_FAULT=snapshotted')).status, 137);
  await device.host.exec('docker start $(docker ps -aq)');
  const boot = await device.run('boot');
  t.is(boot.status, 0, boot.output);
  t.regex(boot.output, /\tstopping web\n[^]*\tputting back the data of sample_data\n[^]*\tstarting web\n/);
  t.is(await device.answer(), '7.0.1');
  t.is((await device.host.exec(`cat ${data}`)).stdout.trim(), '7.0.1');
});

test.serial('what services wrote after data was put back stays, also where the way is gone once more', async (t) => {
  const folder = '/var/lib/docker/volumes/sample_data/_data';
  const failing = release('7.0.3', { dataVersion: 2, timeoutSeconds: 2, services: [web('7.0.3', neverWell)] });
  const putBack: Readonly<Record<string, () => Promise<unknown>>> = {
    'way-back': async () => t.is((await device.rollout(failing)).status, 4),
    'rollback': async () => {
      t.is((await device.rollout(release('7.0.4', { dataVersion: 2 }))).status, 0);
      t.is((await device.run('rollback', 'PROSE_SHIP_FAULT=started')).status, 137);
    },
  };
  for (const [name, go] of Object.entries(putBack)) {
    await go();
    // The services run. What was journalled last is lost with the power, what they write is not.
    await device.host.exec(`echo kept >${folder}/${name}; cd ${devicePaths.stateDirectory} && cp journal.last journal`);
    const boot = await device.run('boot');
    t.is(boot.status, 0, boot.output);
    t.is((await device.host.exec(`cat ${folder}/${name}`)).stdout, 'kept', boot.output);
    t.is(await device.answer(), '7.0.1');
  }
});

test.serial('a killed run is over for who follows it, and the next run cleans up first', async (t) => {
  const id = await device.upload(release('7.1.0', { timeoutSeconds: 30, services: [web('7.1.0', neverWell)] }));
  const log = 'killed.log';
  await device.host.exec(`PROSE_SHIP_LOG=${log} setsid ${devicePaths.updater} rollout ${id} >/dev/null 2>&1 </dev/null &
    until [ -s ${devicePaths.stateDirectory}/log/${log} ]; do sleep 0.1; done`, { timeoutMs: 120_000 });
  const following = device.host.exec([devicePaths.updater, 'follow', log], { timeoutMs: 120_000 });
  await device.host.exec(`until grep -q gate ${devicePaths.stateDirectory}/log/${log}; do sleep 0.1; done
    kill -KILL "$(awk '$1 == "pid" { print $2 }' ${devicePaths.stateDirectory}/lock)"`, { timeoutMs: 120_000 });
  t.is((await following).exitCode, 1);
  t.regex((await following).stdout, /\terror\tE_INTERRUPTED\t/);
  await device.host.exec(`sed -i 's/^resumes.*/resumes\\t3/' ${devicePaths.stateDirectory}/journal`);
  const next = await device.rollout(release('7.2.0', { services: [web('7.2.0')] }));
  t.is(next.status, 0, next.output);
  t.true(next.states.includes('rolled-back') && next.states.at(-1) === 'committed', next.output);
  t.is(await device.answer(), '7.2.0');
});

test.serial('after a power cut the current release comes up by itself', async (t) => {
  await device.host.exec(`docker stop $(docker ps -q)`);
  await device.host.reboot();
  const boot = await device.run('boot');
  t.is(boot.status, 0, boot.output);
  t.is(await device.answer(), '7.2.0');
  const status = (await device.host.exec([devicePaths.updater, 'status'])).stdout;
  t.regex(status, /^container\tweb\trunning\t-\t0$/m);
  t.regex(status, /^audit\t.*\tboot\tdone\tseconds=/m);
});
