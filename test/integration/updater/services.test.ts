import test from 'ava';
import { Device } from '../../device/device.ts';
import { release, side, web } from '../../device/web-service.ts';

/** start-services, stop-services and restart-services, with Docker. */
let device: Device;

test.before(async (t) => {
  t.timeout(5 * 60_000);
  device = await Device.create();
  const run = await device.rollout(release('1.0.0', { services: [side, web('1.0.0')], plan: [['restart-after', 'web', 'side']] }));
  if (run.status !== 0) throw new Error(run.output);
});

test.after.always(async () => {
  await (device as Device | undefined)?.destroy();
});

async function startedAt(service: string): Promise<string> {
  return (await device.host.exec(`docker inspect -f '{{.State.StartedAt}} {{.State.Running}}' "$(docker ps -aq --filter label=com.docker.compose.service=${service})"`)).stdout.trim();
}

test.serial('services stop, and start as the same containers', async (t) => {
  const container = await device.container('web');
  const stopped = await device.run('stop-services web');
  t.is(stopped.status, 0, stopped.output);
  t.is(await device.answer(), '');
  t.regex(await startedAt('side'), /true$/);
  const started = await device.run('start-services');
  t.is(started.status, 0, started.output);
  t.is(await device.answer(), '1.0.0');
  t.is(await device.container('web'), container);
});

test.serial('who restarts after a service restarts with it', async (t) => {
  const before = [await startedAt('side'), await startedAt('web')];
  const run = await device.run('restart-services side');
  t.is(run.status, 0, run.output);
  const after = [await startedAt('side'), await startedAt('web')];
  t.true(before.every((time, index) => time !== after[index] && /true$/.test(after[index] ?? '')), JSON.stringify({ before, after }));
  t.is(await device.answer(), '1.0.0');
});

test.serial('a service that is not there is refused, and nothing is touched', async (t) => {
  const before = await startedAt('web');
  const run = await device.run('restart-services web wiki');
  t.is(run.status, 3, run.output);
  t.deepEqual(run.codes, ['E_UNKNOWN_SERVICE']);
  t.is(await startedAt('web'), before);
  t.is((await device.run('exec web id')).status, 2, 'that is for hosts without an engine');
});
