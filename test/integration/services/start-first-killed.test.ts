import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { devicePaths } from '../../../src/device/files.ts';
import { WebDevice, webRelease } from '../../device/start-first.ts';

let web: WebDevice;

test.before('a device with nginx and a release', async () => {
  web = await WebDevice.create();
  await web.device.rollout(webRelease('1.0.0'));
});

test.after.always('gone', async () => {
  await web.device.destroy();
});

const inBetween = ['start-first-started', 'start-first-proven', 'start-first-switched', 'start-first-stopped'];
let running = '1.0.0';

for (const [index, point] of ['stopped', ...inBetween].entries()) {
  test.serial(`killed at '${point}', the next boot goes forward, and no request fails`, async (t) => {
    const version = `2.${index}.0`;
    const { run } = await web.underLoad(t, async () => {
      const id = await web.device.upload(webRelease(version));
      const killed = await web.device.run(`rollout ${id}`, `PROSE_SHIP_FAULT=${point}`);
      t.is(killed.status, 137, killed.output);
      return web.device.run('boot');
    });
    t.is(run.status, 0, run.output);
    t.like(await web.device.journal(), { state: 'committed', next: '-' });
    await web.settled(t, version);
    running = version;
  });
}

for (const [index, point] of [...inBetween, 'started'].entries()) {
  test.serial(`killed at '${point}' once too often, the next boot goes back, and no request fails`, async (t) => {
    const { run } = await web.underLoad(t, async () => {
      const id = await web.device.upload(webRelease(`3.${index}.0`));
      t.is((await web.device.run(`rollout ${id}`, `PROSE_SHIP_FAULT=${point}`)).status, 137);
      const journal = path.join(web.device.host.root, devicePaths.stateDirectory, 'journal');
      await writeFile(journal, (await readFile(journal, 'utf8')).replace(/^resumes\t.*$/m, 'resumes\t3'));
      return web.device.run('boot');
    });
    t.is(run.status, 0, run.output);
    t.like(await web.device.journal(), { state: 'rolled-back', next: '-', code: 'E_INTERRUPTED' });
    await web.settled(t, running);
  });
}

test.serial('after a power cut between the two, one is left and nginx finds it', async (t) => {
  const id = await web.device.upload(webRelease('4.0.0'));
  t.is((await web.device.run(`rollout ${id}`, 'PROSE_SHIP_FAULT=start-first-switched')).status, 137);
  t.is((await web.containers()).length, 2);
  await web.device.host.reboot();
  await web.device.host.exec('rm -f /run/nginx-test.pid; nginx -c /etc/nginx-test.conf');
  const run = await web.device.run('boot');
  t.is(run.status, 0, run.output);
  await web.settled(t, '4.0.0');
});
