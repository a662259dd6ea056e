import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { devicePaths } from '../../../src/device/files.ts';
import { Device, type Run } from '../../device/device.ts';
import type { SampleRelease, SampleService } from '../../device/sample-release.ts';

/**
 * A service that changes alone is left to Compose, which makes the new container before it stops the old one: so it is away
 * for a shorter time. Whatever wants it stopped first gets it stopped first. Needs root, Linux, dockerd; fails without.
 */
let device: Device;

test.before('a device', async () => {
  device = await Device.create();
});

test.after.always('gone', async () => {
  await (device as Device | undefined)?.destroy();
});

function web(content: string, more: Partial<SampleService> = {}): SampleService {
  return { name: 'web', content, port: 8080, probes: [['http', 'http://127.0.0.1:8080/version', '200']], ...more };
}

function release(version: string, more: Partial<SampleService> = {}, rest: Partial<SampleRelease> = {}): SampleRelease {
  return { version, services: [{ name: 'side', content: 'side' }, web(version, more)], ...rest };
}

interface Exchange {
  readonly run: Run;
  /** What the engine did, `create web` or `die web`, in its order. */
  readonly order: readonly string[];
  /** From the end of the old `web` until the new one was started. */
  readonly gapMs: number;
}

/** Asks the engine, not the updater. */
async function exchange(work: () => Promise<Run>): Promise<Exchange> {
  const now = async () => (await device.host.exec('date +%s.%N')).stdout.trim();
  const since = await now();
  const run = await work();
  const events = await device.host.exec([
    ...['docker', 'events', '--since', since, '--until', await now(), '--filter', 'label=com.docker.compose.project=sample'],
    ...['--filter', 'event=create', '--filter', 'event=die', '--filter', 'event=start'],
    ...['--format', '{{.TimeNano}} {{.Action}} {{index .Actor.Attributes "com.docker.compose.service"}}'],
  ]);
  const rows = events.stdout.split('\n').filter(Boolean).map((line) => line.split(' ') as [string, string, string]);
  const at = (action: string) => Number(BigInt(rows.find(([, one, service]) => one === action && service === 'web')?.[0] ?? 0n) / 1_000_000n);
  const order = rows.filter(([, action]) => action !== 'start').map(([, action, service]) => `${action} ${service}`);
  return { run, order, gapMs: at('start') - at('die') };
}

const stoppedFirst = ['die web', 'create web'];
let aloneGapMs = 0;

test.serial('what changes alone is made anew before the old one ends', async (t) => {
  t.is((await device.rollout(release('1.0.0'))).status, 0);
  const side = await device.container('side');
  const { run, order, gapMs } = await exchange(() => device.rollout(release('1.1.0')));
  t.is(run.status, 0, run.output);
  t.deepEqual(order, ['create web', 'die web']);
  t.notRegex(run.output, /\tstopping web\n/);
  t.is(await device.answer(), '1.1.0');
  t.is(await device.container('side'), side);
  aloneGapMs = gapMs;
});

test.serial('a page for its visitors wants it stopped first', async (t) => {
  const { run, order, gapMs } = await exchange(() => device.rollout(release('1.2.0', { maintenancePage: '<h1>Back soon</h1>\n' })));
  t.is(run.status, 0, run.output);
  t.deepEqual(order, stoppedFirst);
  t.log(`away for ${aloneGapMs} ms where Compose does it, ${gapMs} ms where it is stopped first`);
});

for (const phase of ['after-stop', 'before-start'] as const) {
  test.serial(`a hook ${phase} finds it stopped`, async (t) => {
    const hook = `/etc/prose-ship/hooks/${phase}.d/look`;
    await device.host.exec(`install -d ${path.dirname(hook)} && printf '#!/bin/sh\\ndocker ps --filter label=com.docker.compose.service=web --format running >/tmp/found\\n' >${hook} && chmod 755 ${hook}`);
    const { run, order } = await exchange(() => device.rollout(release(phase === 'after-stop' ? '1.3.0' : '1.3.1')));
    await device.host.exec(`rm -r ${path.dirname(hook)}`);
    t.is(run.status, 0, run.output);
    t.deepEqual(order, stoppedFirst);
    t.deepEqual(await device.host.exec('cat /tmp/found; rm /tmp/found').then(({ exitCode, stdout }) => [exitCode, stdout]), [0, '']);
  });
}

test.serial('two that change, and what restarts after one that does, are all stopped before any starts', async (t) => {
  const { services } = release('1.4.0');
  const two = await exchange(() => device.rollout({ version: '1.4.0', services: [{ name: 'side', content: 'other side' }, ...services.slice(1)] }));
  t.is(two.run.status, 0, two.run.output);
  t.deepEqual(two.order, ['die web', 'die side', 'create side', 'create web']);
  const dependent: SampleRelease = { version: '1.4.1', services: [{ name: 'side', content: 'side' }, ...services.slice(1)], plan: [['restart-after', 'web', 'side']] };
  const followed = await exchange(() => device.rollout(dependent));
  t.is(followed.run.status, 0, followed.run.output);
  t.deepEqual(followed.order, ['die web', 'die side', 'create side'], 'web is the same container, started again');
});

test.serial('data of another format is copied under nothing that runs, and put back so', async (t) => {
  const forth = await exchange(() => device.rollout(release('2.0.0', {}, { dataVersion: 2 })));
  t.is(forth.run.status, 0, forth.run.output);
  t.deepEqual(forth.order, ['die web', 'die side', 'create web']);
  const back = await exchange(() => device.run('rollback'));
  t.is(back.run.status, 0, back.run.output);
  t.deepEqual(back.order, ['die web', 'die side', 'create web']);
});

/** Cuts the power while Compose waits for the old container, beside which the new one is there already. */
async function cutBetween(id: string): Promise<void> {
  await device.host.exec(`${devicePaths.updater} start rollout ${id}`);
  const made = await device.host.exec("until docker ps -aq --filter label=com.docker.compose.service=web --filter status=created | grep -q .; do sleep 0.05; done; docker ps -q --filter label=com.docker.compose.service=web | grep -c .", { timeoutMs: 60_000 });
  if (made.stdout.trim() !== '1') throw new Error(`the old one is not there any more: ${made.stdout}${made.stderr}`);
  await device.host.reboot();
}

async function containers(): Promise<string[]> {
  const { stdout } = await device.host.exec("docker ps -a --filter label=com.docker.compose.service=web --format '{{.Names}} {{.State}}'");
  return stdout.split('\n').filter(Boolean);
}

test.serial('power that goes between the two: the next boot finishes, and one container is left', async (t) => {
  t.timeout(120_000);
  t.is((await device.rollout(release('3.0.0', { stopSignal: 'SIGTERM' }))).status, 0);
  const id = await device.upload(release('3.1.0', { stopSignal: 'SIGTERM' }));
  await cutBetween(id);
  const boot = await device.run('boot');
  t.is(boot.status, 0, boot.output);
  t.like(await device.journal(), { id, state: 'committed', next: '-' }, boot.output);
  t.is(await device.answer(), '3.1.0');
  t.deepEqual(await containers(), ['sample-web-1 running']);
});

test.serial('the same once too often: the old one runs again, and nothing is left of the new one', async (t) => {
  t.timeout(120_000);
  const id = await device.upload(release('3.2.0', { stopSignal: 'SIGTERM' }));
  await cutBetween(id);
  const journal = path.join(device.host.root, devicePaths.stateDirectory, 'journal');
  await writeFile(journal, (await readFile(journal, 'utf8')).replace(/^resumes\t.*$/m, 'resumes\t3'));
  const boot = await device.run('boot');
  t.is(boot.status, 0, boot.output);
  t.like(await device.journal(), { id, state: 'rolled-back', next: '-', code: 'E_INTERRUPTED' });
  t.is(await device.answer(), '3.1.0');
  t.deepEqual(await containers(), ['sample-web-1 running']);
});
