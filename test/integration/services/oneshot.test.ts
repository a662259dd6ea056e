import test from 'ava';
import { devicePaths } from '../../../src/device/files.ts';
import { Device } from '../../device/device.ts';
import type { SampleRelease, SampleService } from '../../device/sample-release.ts';

let device: Device;

test.before('a device', async () => {
  device = await Device.create();
});

test.after.always('gone', async () => {
  await device.destroy();
});

const runs = '/var/lib/docker/volumes/sample_data/_data/runs';

/** Notes each of its runs in the data volume; what it says last is `content`. */
function migrate(content: string, more: Partial<SampleService> = {}): SampleService {
  const script = `/bin/busybox sleep 1; echo ${content} >>/data/runs; echo did ${content}`;
  return { name: 'migrate', oneshot: true, content: 'migrate', command: ['/bin/sh', '-c', script], ...more };
}

/** Serves what the migration had written when it started. */
function web(content: string): SampleService {
  const script = `/bin/busybox tail -n 1 /data/runs >/www/migrated; exec /bin/busybox httpd -f -p 80 -h /www`;
  return { name: 'web', content, port: 8080, command: ['/bin/sh', '-c', script], probes: [['http', 'http://127.0.0.1:8080/version', '200']] };
}

function release(version: string, migration: SampleService, more: Partial<SampleRelease> = {}): SampleRelease {
  return { version, services: [migration, web(version)], ...more };
}

async function noted(): Promise<string> {
  return (await device.host.exec(`tr '\\n' ' ' <${runs}`)).stdout.trim();
}

test.serial('the next service starts when it has ended, and the gate takes its end for well', async (t) => {
  const run = await device.rollout(release('1.0.0', migrate('one'), { soakSeconds: 1 }));
  t.is(run.status, 0, run.output);
  t.is(await noted(), 'one');
  t.is((await device.host.exec('curl -s http://127.0.0.1:8080/migrated')).stdout, 'one');
  t.regex((await device.host.exec([devicePaths.updater, 'status'])).stdout, /^container\tmigrate\tcompleted\t-\t0$/m);
});

test.serial('it runs again in an update that changes it, and in no other', async (t) => {
  const same = await device.rollout(release('1.1.0', migrate('one')));
  t.is(same.status, 0, same.output);
  t.regex(same.output, /services to replace: web\n/);
  t.is(await noted(), 'one');
  t.is(await device.answer(), '1.1.0');
  const changed = await device.rollout(release('1.2.0', migrate('two')));
  t.is(changed.status, 0, changed.output);
  t.is(await noted(), 'one two');
});

test.serial('when it fails, the next service is not started, its last lines are shown, and the old release runs', async (t) => {
  const failing = migrate('three', { command: ['/bin/sh', '-c', 'echo no such table; exit 3'] });
  const run = await device.rollout(release('1.3.0', failing));
  t.is(run.status, 4, run.output);
  t.deepEqual(run.codes, ['E_GATE']);
  t.regex(run.output, /did not pass: service migrate ended with exit status 3[^]*\| no such table/);
  t.is(await device.answer(), '1.2.0');
  const endless = migrate('four', { command: ['/bin/busybox', 'sleep', '1000'] });
  const late = await device.rollout(release('1.4.0', endless, { timeoutSeconds: 1 }));
  t.is(late.status, 4, late.output);
  t.regex(late.output, /service migrate has not ended after 1 s/);
  t.is(await device.answer(), '1.2.0');
  t.is(await noted(), 'one two two two', 'the old one ran again on the way back, once each time');
});

test.serial('a retry of its own counts when it ends well', async (t) => {
  const stubborn = migrate('five', { restart: 'on-failure:3', command: ['/bin/sh', '-c', 'echo five >>/data/runs; [ "$(/bin/busybox grep -c five /data/runs)" = 2 ]'] });
  const run = await device.rollout(release('1.5.0', stubborn));
  t.is(run.status, 0, run.output);
  t.is(await noted(), 'one two two two five five');
});

test.serial('a boot does not run it again, but one that was cut off', async (t) => {
  await device.host.reboot();
  const boot = await device.run('boot');
  t.is(boot.status, 0, boot.output);
  t.is(await device.answer(), '1.5.0');
  t.is(await noted(), 'one two two two five five');

  const id = await device.upload(release('1.6.0', migrate('six', { command: ['/bin/sh', '-c', 'echo six >>/data/runs; /bin/busybox sleep 2'] })));
  const log = (await device.host.exec(`${devicePaths.updater} start rollout ${id}`)).stdout.trim();
  await device.host.exec(`until grep -q six ${runs}; do sleep 0.1; done`, { timeoutMs: 60_000 });
  await device.host.reboot();
  const resumed = await device.run('boot');
  t.is(resumed.status, 0, `${log} ${resumed.output}`);
  t.is(await noted(), 'one two two two five five six six');
  t.is(await device.answer(), '1.6.0');
});
