import test from 'ava';
import { devicePaths } from '../../../src/device/files.ts';
import { Device } from '../../device/device.ts';
import type { SampleRelease } from '../../device/sample-release.ts';

/** Programs of the administrator's around a rollout. Needs root, Linux, dockerd; fails without. */
let device: Device;
let current = '';

test.before('a device with a release', async (t) => {
  t.timeout(60_000);
  device = await Device.create();
  const run = await device.rollout(release('1.0.0'));
  if (run.status !== 0) throw new Error(run.output);
  current = run.id;
});

test.after.always(async () => {
  await (device as Device | undefined)?.destroy();
});

test.beforeEach(async () => {
  await device.host.exec('rm -rf /etc/prose-ship/hooks /tmp/told');
});

const phases = ['before-stop', 'after-stop', 'before-start', 'after-start', 'before-commit', 'after-commit', 'before-rollback', 'after-rollback'];

function release(version: string, healthy = true): SampleRelease {
  const probes = [['http', `http://127.0.0.1:8080/${healthy ? 'version' : 'nothing'}`, '200']];
  return { version, timeoutSeconds: healthy ? 20 : 1, services: [{ name: 'web', content: version, port: 8080, probes }] };
}

async function hook(phase: string, name: string, script: string, mode = '755'): Promise<void> {
  const file = `/etc/prose-ship/hooks/${phase}.d/${name}`;
  const made = await device.host.exec(`mkdir -p ${file.replace(/\/[^/]*$/, '')} && cat >${file} && chmod ${mode} ${file}`, { input: `#!/bin/sh\n${script}\n` });
  if (made.exitCode !== 0) throw new Error(made.stderr);
}

const tell = 'echo "$PROSE_SHIP_PHASE $PROSE_SHIP_RELEASE $PROSE_SHIP_FROM ${0##*/}" >>/tmp/told';

async function told(): Promise<string[]> {
  return (await device.host.exec('cat /tmp/told')).stdout.split('\n').filter(Boolean);
}

test.serial('each runs in its phase and in the order of their names, and is told the releases', async (t) => {
  for (const phase of phases) await hook(phase, '50-tell', tell);
  await hook('before-start', '10-first', `${tell}; echo ready; echo steady >&2; test "$(id -u)" = 0`);
  await hook('before-start', '20-not.a.hook', tell);
  await hook('before-start', '30-not-executable', tell, '644');
  const run = await device.rollout(release('1.1.0'));
  t.is(run.status, 0, run.output);
  t.deepEqual(
    await told(),
    [...['before-stop', 'after-stop'], 'before-start 10-first', ...['before-start', 'after-start', 'before-commit', 'after-commit']].map((phase) => {
      const [name = '', file = '50-tell'] = phase.split(' ');
      return `${name} ${run.id} ${current} ${file}`;
    }),
  );
  t.regex(run.output, /\tinfo\t\| ready\n\d+\tinfo\t\| steady\n/);
  t.regex(run.output, /warning\t.*20-not\.a\.hook is no hook/);
  t.regex(run.output, /warning\t.*30-not-executable is no hook: it is not executable/);
  current = run.id;
});

test.serial('before the stop one that fails refuses: nothing is touched', async (t) => {
  const before = await device.container('web');
  await hook('before-stop', 'guests', 'echo 3 people are talking; exit 7');
  await hook('before-stop', 'zz-later', tell);
  const run = await device.rollout(release('1.2.0'));
  t.is(run.status, 3, run.output);
  t.deepEqual(run.codes, ['E_HOOK']);
  t.regex(run.output, /hook \/etc\/prose-ship\/hooks\/before-stop\.d\/guests ended with exit status 7: 3 people are talking/);
  t.is(await device.container('web'), before);
  t.deepEqual(await told(), []);
  t.like(await device.journal(), { next: '-', code: 'E_HOOK' });
});

test.serial('before the start or the commit one that fails goes back', async (t) => {
  for (const phase of ['before-start', 'before-commit']) {
    await device.host.exec('rm -rf /etc/prose-ship/hooks /tmp/told');
    await hook(phase, 'no', 'exit 1');
    for (const told of ['before-rollback', 'after-rollback', 'after-commit']) await hook(told, 'tell', tell);
    const run = await device.rollout(release('1.3.0'));
    t.is(run.status, 4, run.output);
    t.deepEqual(run.codes, ['E_HOOK']);
    t.is(await device.answer(), '1.1.0');
    t.deepEqual(await told(), ['before-rollback', 'after-rollback'].map((name) => `${name} ${run.id} ${current} tell`));
  }
});

test.serial('after a step, and around the way back, one that fails is a warning', async (t) => {
  for (const phase of ['after-stop', 'after-start', 'after-commit', 'before-rollback', 'after-rollback']) await hook(phase, 'no', 'exit 1');
  const failed = await device.rollout(release('1.4.0', false));
  t.is(failed.status, 4, failed.output);
  t.deepEqual(failed.codes, ['E_GATE']);
  t.is(await device.answer(), '1.1.0');
  const run = await device.rollout(release('1.5.0'));
  t.is(run.status, 0, run.output);
  t.is(run.lines.filter((line) => line.kind === 'warning' && line.text.includes('/no ended with exit status 1')).length, 3);
  t.is(await device.answer(), '1.5.0');
  current = run.id;
});

test.serial('one that takes too long is ended; what it leaves behind holds neither lock nor log', async (t) => {
  await hook('before-stop', 'slow', 'sleep 1000');
  await device.host.exec('echo 1 >/etc/prose-ship/hooks/time-limit');
  const slow = await device.rollout(release('1.6.0'));
  t.is(slow.status, 3, slow.output);
  t.regex(slow.output, /slow did not end in 1 s/);
  await hook('before-stop', 'slow', 'setsid sleep 30 & exit 0');
  const run = await device.rollout(release('1.6.0'));
  t.is(run.status, 0, run.output);
  t.is((await device.host.exec(`flock -n ${devicePaths.stateDirectory}/lock true`)).exitCode, 0);
  t.is((await device.host.exec('pgrep -fx "sleep 30"')).exitCode, 0, 'it lives on');
  current = run.id;
});

test.serial('one that others than root may write is not run', async (t) => {
  await hook('before-stop', 'open', tell, '777');
  const run = await device.rollout(release('1.7.0'));
  t.is(run.status, 3, run.output);
  t.regex(run.output, /E_HOOK\t.*\/open belongs to another user than root, or others may write it/);
  t.deepEqual(await told(), []);
});
