import test from 'ava';
import { devicePaths } from '../../../src/device/files.ts';
import type { SampleService } from '../../device/sample-release.ts';
import { side, WebDevice, webRelease } from '../../device/start-first.ts';

let web: WebDevice;

test.before('a device with nginx', async () => {
  web = await WebDevice.create();
});

test.after.always('gone', async () => {
  await web.device.destroy();
});

test.serial('a first release has nothing to start beside', async (t) => {
  const run = await web.device.rollout(webRelease('1.0.0'));
  t.is(run.status, 0, run.output);
  t.is((await web.settled(t, '1.0.0')).port, '8081');
});

test.serial('an update under load costs no request, and leaves what Compose itself would', async (t) => {
  const before = await web.settled(t, '1.0.0');
  const { run, answers } = await web.underLoad(t, () => web.device.rollout(webRelease('1.1.0')));
  t.is(run.status, 0, run.output);
  t.deepEqual(answers, ['1.0.0', '1.1.0']);
  const after = await web.settled(t, '1.1.0');
  t.deepEqual([before.port, after.port], ['8081', '8082']);
  const compose = `docker compose -p sample -f ${devicePaths.stateDirectory}/current/compose.yaml`;
  const hashes = await web.device.host.exec(`docker inspect -f 'web {{index .Config.Labels "com.docker.compose.config-hash"}}' ${after.id}; ${compose} config --hash web`);
  const [label, wanted] = hashes.stdout.split('\n');
  t.is(label, wanted);
  const byHand = await web.device.host.exec(`${compose} up -d --no-build --pull never 2>&1`);
  t.is((await web.settled(t, '1.1.0')).id, after.id, `Compose by hand sees nothing to do: ${byHand.stdout}`);
});

test.serial('an update of something else leaves it alone', async (t) => {
  const before = await web.settled(t, '1.1.0');
  const { services, ...more } = webRelease('1.1.1', { content: '1.1.0' });
  const run = await web.device.rollout({ ...more, services: [{ ...side, content: 'other side' }, ...services.slice(1)] });
  t.is(run.status, 0, run.output);
  t.is((await web.settled(t, '1.1.0')).id, before.id);
});

test.serial('a new one that does not pass its probes never gets a request', async (t) => {
  const before = await web.settled(t, '1.1.0');
  const probes = [['http', 'http://127.0.0.1:{port}/nothing', '200']];
  const { run, answers } = await web.underLoad(t, () => web.device.rollout(webRelease('1.2.0', { probes }, { timeoutSeconds: 2 })));
  t.is(run.status, 4, run.output);
  t.deepEqual(run.codes, ['E_GATE']);
  t.regex(run.output, /the new web did not pass its gate, the old one goes on: probe 'web http http:\/\/127\.0\.0\.1:8081\/nothing 200' got: HTTP status 404/);
  t.deepEqual(answers, ['1.1.0']);
  t.is((await web.settled(t, '1.1.0')).id, before.id);
});

test.serial('one that crashes, and one whose command fails, do not either', async (t) => {
  const before = await web.settled(t, '1.1.0');
  const crashing = await web.device.rollout(webRelease('1.2.1', { command: ['/bin/sh', '-c', 'echo no theme; exit 1'] }, { timeoutSeconds: 2 }));
  t.is(crashing.status, 4, crashing.output);
  t.regex(crashing.output, /its container is (restarting|running - [1-9])[^]*\| no theme/);
  const probes = [['command', '/bin/sh', '-c', 'read version </www/version; echo "$version"; exit 3']];
  const failing = await web.device.rollout(webRelease('1.2.2', { probes }, { timeoutSeconds: 2 }));
  t.is(failing.status, 4, failing.output);
  t.regex(failing.output, /got: exit status 3: 1\.2\.2/, 'the new one was asked, not the old one');
  t.is((await web.settled(t, '1.1.0')).id, before.id);
});

test.serial('a gate that fails for another service goes back without a gap', async (t) => {
  const { services, ...more } = webRelease('1.3.0', {}, { timeoutSeconds: 2 });
  const failing: SampleService = { ...side, content: 'bad side', probes: [['command', '/bin/busybox', 'false']] };
  const { run, answers } = await web.underLoad(t, () => web.device.rollout({ ...more, services: [failing, ...services.slice(1)] }));
  t.is(run.status, 4, run.output);
  t.deepEqual(answers, ['1.1.0', '1.3.0']);
  await web.settled(t, '1.1.0');
});

test.serial('a rollback costs no request either', async (t) => {
  t.is((await web.device.rollout(webRelease('1.4.0'))).status, 0);
  const { run } = await web.underLoad(t, () => web.device.run('rollback'));
  t.is(run.status, 0, run.output);
  await web.settled(t, '1.1.0');
});

test.serial('when the format of the data changes, it stops like everything else', async (t) => {
  const run = await web.device.rollout(webRelease('2.0.0', {}, { dataVersion: 2 }));
  t.is(run.status, 0, run.output);
  t.regex(run.output, /info\tstopping web\n/);
  await web.settled(t, '2.0.0');
});
