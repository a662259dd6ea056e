import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { Device } from '../../device/device.ts';
import type { SampleRelease, SampleService } from '../../device/sample-release.ts';

let device: Device;

test.before('a device', async () => {
  device = await Device.create();
});

test.after.always('gone', async () => {
  await device.destroy();
});

function release(version: string, more: Partial<SampleService>, rest: Partial<SampleRelease> = {}): SampleRelease {
  return { version, timeoutSeconds: 10, services: [{ name: 'web', content: version, port: 8080, ...more }], ...rest };
}

const version = ['http', 'http://127.0.0.1:8080/version', '200'] as const;

test.serial('a service that is unhealthy for a moment does not pass the soak', async (t) => {
  const steady = await device.rollout(release('1.0.0', { healthcheck: ['/bin/busybox', 'true'], healthInterval: '200ms', probes: [version] }, { soakSeconds: 3 }));
  t.is(steady.status, 0, steady.output);
  // Each probe makes it unhealthy for a fifth of a second and ends when it is well again, so that no look at it sees more.
  const check = 'if [ -e /flap ]; then /bin/busybox rm /flap; exit 1; fi';
  const flap = '>/flap; while [ -e /flap ]; do /bin/busybox sleep 0.1; done; /bin/busybox sleep 2';
  const flapping = await device.rollout(
    release('1.1.0', { healthcheck: ['/bin/sh', '-c', check], healthInterval: '200ms', probes: [['command', '/bin/sh', '-c', flap]] }, { soakSeconds: 1 }),
  );
  t.is(flapping.status, 4, flapping.output);
  t.regex(flapping.output, /all probes pass; watching[^]*E_GATE\t.*service web became unhealthy while it was watched/);
  t.is(await device.answer(), '1.0.0');
  t.is((await device.host.exec('ps -eo args | grep -c "[d]ocker events"')).stdout, '0', 'nothing keeps watching');
});

test.serial('a probe that answers every other time does not pass the soak', async (t) => {
  const every = 'n=$(/bin/busybox cat /n); echo "$((n + 1))" >/n; echo "turn $n"; [ "$((n % 2))" = 0 ]';
  const flapping = await device.rollout(release('1.2.0', { probes: [['command', '/bin/sh', '-c', every]] }, { soakSeconds: 20 }));
  t.is(flapping.status, 4, flapping.output);
  t.regex(flapping.output, /all probes pass; watching[^]*E_GATE\t.*got: exit status 1: turn \d/);
  t.is(await device.answer(), '1.0.0');
});

test.serial('one late answer is forgiven', async (t) => {
  const once = 'n=$(/bin/busybox cat /n); echo "$((n + 1))" >/n; [ "$n" != 2 ]';
  const run = await device.rollout(release('1.3.0', { probes: [['command', '/bin/sh', '-c', once]] }, { soakSeconds: 4 }));
  t.is(run.status, 0, run.output);
});

test.serial('a field of a JSON answer must be right', async (t) => {
  const json = (content: string, timeoutSeconds: number) => release(content, { content, probes: [[...version, 'json', 'status.ok', 'true']] }, { timeoutSeconds });
  const right = await device.rollout({ ...json('{"status": {"ok": true}}', 20), version: '2.0.0' });
  t.is(right.status, 0, right.output);
  const wrong = await device.rollout({ ...json('{"status": {"ok": "not yet"}}', 1), version: '2.1.0' });
  t.is(wrong.status, 4, wrong.output);
  t.regex(wrong.output, /probe 'web http .* json status\.ok true' got: status\.ok is not yet/);
  t.is(await device.answer(), '{"status": {"ok": true}}');
});

test.serial('a certificate must cover the name and stay valid', async (t) => {
  await writeFile(
    path.join(device.host.root, 'serve-tls'),
    `cd "$(mktemp -d)"
     openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 20 -subj /CN=a -addext subjectAltName=DNS:chat.test -keyout key -out cert
     exec setsid openssl s_server -accept 127.0.0.1:8443 -key key -cert cert -quiet </dev/null`,
  );
  await device.host.exec('sh /serve-tls >/dev/null 2>&1 & timeout 10 sh -c "until ss -ltn | grep -q :8443; do sleep 0.1; done"');
  const tls = (number: string, name: string, days: string, timeoutSeconds = 1) =>
    release(number, { probes: [['tls', '127.0.0.1', '8443', 'none', name, days, 'any']] }, { timeoutSeconds });
  const right = await device.rollout(tls('3.0.0', 'chat.test', '7', 20));
  t.is(right.status, 0, right.output);
  for (const [number, name, days, message] of [
    ['3.1.0', 'other.test', '7', /got: a certificate that does not cover other\.test, but: chat\.test/],
    ['3.2.0', 'chat.test', '30', /got: a certificate that expires on \d{4}-\d\d-\d\d, in less than 30 days; the clock of this device says/],
  ] as const) {
    const run = await device.rollout(tls(number, name, days));
    t.is(run.status, 4, run.output);
    t.regex(run.output, message);
    t.is(await device.answer(), '3.0.0');
  }
});

test.serial('a plan that asks in a way that no updater of this version knows is refused before anything stops', async (t) => {
  for (const [index, probe] of [
    ['tls', '127.0.0.1', '8443', 'imap', 'chat.test', '7', 'any'],
    ['tls', '127.0.0.1', '8443', 'none', 'chat.test', '7 days', 'any'],
    [...version, 'xml', 'status.ok', 'true'],
    ['telepathy'],
  ].entries()) {
    const run = await device.rollout(release(`4.${index}.0`, { probes: [probe] }));
    t.is(run.status, 3, run.output);
    t.deepEqual(run.codes, ['E_PLAN']);
  }
});
