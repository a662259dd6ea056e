import test from 'ava';
import { Device } from '../../device/device.ts';

let device: Device;

test.before('a device', async () => {
  device = await Device.create();
});

test.after.always('gone', async () => {
  await device.destroy();
});

test('a first install that did not pass its gate is tried again at each boot, until it does', async (t) => {
  // A network file system, a time server, ...: something beside the stack that is not there at first.
  const beside = ['http', 'http://127.0.0.1:9090/', '200'];
  const id = await device.bake({ version: '1.0.0', timeoutSeconds: 1, services: [{ name: 'web', content: '1.0.0', port: 8080, probes: [beside] }] });
  const first = await device.run('boot');
  t.is(first.status, 4, first.output);
  t.deepEqual(first.codes, ['E_GATE'], 'once a boot');
  t.regex(first.output, /waiting for the gate, at most 3 s/, 'three times as long as an update');
  t.is((await device.inventory()).currentId, undefined);
  const second = await device.run('boot');
  t.is(second.status, 4, second.output);
  t.deepEqual(second.codes, ['E_GATE']);
  t.is((await device.host.exec('docker ps -aq')).stdout, '');

  await device.host.exec('cd /tmp && setsid python3 -m http.server 9090 --bind 127.0.0.1 >/dev/null 2>&1 & sleep 1');
  const third = await device.run('boot');
  t.is(third.status, 0, third.output);
  t.is((await device.inventory()).currentId, id);
  const fourth = await device.run('boot');
  t.is(fourth.status, 0, fourth.output);
  t.deepEqual(fourth.states, [], 'nothing is rolled out any more');
});
