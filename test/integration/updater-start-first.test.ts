import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { devicePaths } from '../../src/device/files.ts';
import { Device, type Run } from '../device/device.ts';
import { startNginx } from '../device/nginx.ts';
import type { SampleRelease, SampleService } from '../device/sample-release.ts';
import { ask, startLoad, type LoadTarget } from '../support/web-load.ts';

let device: Device;
let target: LoadTarget;

test.before('a device with nginx', async () => {
  device = await Device.create();
  target = (await startNginx(device))('www');
});

test.after.always('gone', async () => {
  await device.destroy();
});

const side: SampleService = { name: 'side', content: 'side' };
const probe = ['http', 'http://127.0.0.1:{port}/version', '200'];

function release(version: string, web: Partial<SampleService> = {}, more: Partial<SampleRelease> = {}): SampleRelease {
  return {
    version,
    services: [side, { name: 'web', content: version, ports: '127.0.0.1:8081-8082:80', slow: true, probes: [probe], ...web }],
    plan: [['order', 'web', 'start-first', '5']],
    ...more,
  };
}

interface Container {
  readonly id: string;
  readonly port: string;
}

/** Every container of the service, whatever its state. */
async function containers(): Promise<Container[]> {
  const script = `for id in $(docker ps -aq --no-trunc --filter label=com.docker.compose.service=web); do
    docker inspect -f '{{.ID}} {{range .NetworkSettings.Ports}}{{range .}}{{.HostPort}}{{end}}{{end}}' "$id"; done`;
  const { stdout } = await device.host.exec(script);
  return stdout.split('\n').filter(Boolean).map((line) => ({ id: line.split(' ')[0]!, port: line.split(' ')[1] ?? '' }));
}

/** One container, and nginx is told the port that it has. */
async function settled(t: ExecutionContext, version: string): Promise<Container> {
  const found = await containers();
  t.is(found.length, 1, JSON.stringify(found));
  const flag = await device.host.exec(`test -f ${devicePaths.secondPortDirectory}/web`);
  t.is(flag.exitCode === 0, found[0]?.port === '8082', found[0]?.port);
  t.is((await ask(target, '/version')).text, version);
  return found[0]!;
}

/** What `work` does must not cost a single request. */
async function underLoad(t: ExecutionContext, work: () => Promise<Run>): Promise<{ readonly run: Run; readonly answers: readonly string[] }> {
  const load = startLoad(target);
  const run = await work();
  // Requests that begin after the end count, too.
  await ask(target, '/cgi-bin/slow');
  const { answers, requests, failures } = await load.stop();
  t.deepEqual(failures, [], run.output);
  t.true(requests > 100, `${requests} requests`);
  return { run, answers };
}

test.serial('a first release has nothing to start beside', async (t) => {
  const run = await device.rollout(release('1.0.0'));
  t.is(run.status, 0, run.output);
  t.is((await settled(t, '1.0.0')).port, '8081');
});

test.serial('an update under load costs no request, and leaves what Compose itself would', async (t) => {
  const before = await settled(t, '1.0.0');
  const { run, answers } = await underLoad(t, () => device.rollout(release('1.1.0')));
  t.is(run.status, 0, run.output);
  t.deepEqual(answers, ['1.0.0', '1.1.0']);
  const after = await settled(t, '1.1.0');
  t.deepEqual([before.port, after.port], ['8081', '8082']);
  const labels = `docker inspect -f '{{json .Config.Labels}}' ${after.id}; docker compose -p sample -f ${devicePaths.stateDirectory}/current/compose.yaml`;
  const compose = await device.host.exec(`${labels} config --hash web; ${labels.split('; ')[1]!} up -d --no-build --pull never 2>&1`);
  const [json = '', hash = ''] = compose.stdout.split('\n');
  t.is(`web ${(JSON.parse(json) as Record<string, string>)['com.docker.compose.config-hash'] ?? ''}`, hash);
  t.is((await settled(t, '1.1.0')).id, after.id, `Compose by hand sees nothing to do: ${compose.stdout}`);
});

test.serial('an update of something else leaves it alone', async (t) => {
  const before = await settled(t, '1.1.0');
  const { services, ...more } = release('1.1.1', { content: '1.1.0' });
  const run = await device.rollout({ ...more, services: [{ ...side, content: 'other side' }, ...services.slice(1)] });
  t.is(run.status, 0, run.output);
  t.is((await settled(t, '1.1.0')).id, before.id);
});

test.serial('a new one that does not pass its probes never gets a request', async (t) => {
  const before = await settled(t, '1.1.0');
  const { run, answers } = await underLoad(t, () =>
    device.rollout(release('1.2.0', { probes: [['http', 'http://127.0.0.1:{port}/nothing', '200']] }, { timeoutSeconds: 2 })),
  );
  t.is(run.status, 4, run.output);
  t.deepEqual(run.codes, ['E_GATE']);
  t.regex(run.output, /the new web did not pass its gate, the old one goes on: probe 'web http http:\/\/127\.0\.0\.1:\d+\/nothing 200' got: HTTP status 404/);
  t.deepEqual(answers, ['1.1.0']);
  t.is((await settled(t, '1.1.0')).id, before.id);
});

test.serial('one that crashes, and one whose command fails, do not either', async (t) => {
  const before = await settled(t, '1.1.0');
  const crashing = await device.rollout(release('1.2.1', { command: ['/bin/sh', '-c', 'echo no theme; exit 1'] }, { timeoutSeconds: 2 }));
  t.is(crashing.status, 4, crashing.output);
  t.regex(crashing.output, /its container is (restarting|running - [1-9])[^]*\| no theme/);
  const failing = await device.rollout(release('1.2.2', { probes: [['command', '/bin/sh', '-c', 'read version </www/version; echo "$version"; exit 3']] }, { timeoutSeconds: 2 }));
  t.is(failing.status, 4, failing.output);
  t.regex(failing.output, /got: exit status 3: 1\.2\.2/, 'the new one was asked, not the old one');
  t.is((await settled(t, '1.1.0')).id, before.id);
});

test.serial('a gate that fails for another service goes back without a gap', async (t) => {
  const { services, ...more } = release('1.3.0', {}, { timeoutSeconds: 2 });
  const failing: SampleService = { ...side, content: 'bad side', probes: [['command', '/bin/busybox', 'false']] };
  const { run, answers } = await underLoad(t, () => device.rollout({ ...more, services: [failing, ...services.slice(1)] }));
  t.is(run.status, 4, run.output);
  t.deepEqual(answers, ['1.1.0', '1.3.0']);
  await settled(t, '1.1.0');
});

test.serial('a rollback costs no request either', async (t) => {
  t.is((await device.rollout(release('1.4.0'))).status, 0);
  const { run } = await underLoad(t, () => device.run('rollback'));
  t.is(run.status, 0, run.output);
  await settled(t, '1.1.0');
});

const points = ['stopped', 'start-first-started', 'start-first-proven', 'start-first-switched', 'start-first-stopped', 'started', 'gated'];

for (const [index, point] of points.entries()) {
  test.serial(`killed at '${point}', the next boot goes forward, and no request fails`, async (t) => {
    const version = `2.${index}.0`;
    const { run } = await underLoad(t, async () => {
      const id = await device.upload(release(version));
      const killed = await device.run(`rollout ${id}`, `PROSE_SHIP_FAULT=${point}`);
      t.is(killed.status, 137, killed.output);
      return device.run('boot');
    });
    t.is(run.status, 0, run.output);
    t.like(await device.journal(), { state: 'committed', next: '-' });
    await settled(t, version);
  });

  test.serial(`killed at '${point}' once too often, the next boot goes back, and no request fails`, async (t) => {
    const { run } = await underLoad(t, async () => {
      const id = await device.upload(release(`3.${index}.0`));
      t.is((await device.run(`rollout ${id}`, `PROSE_SHIP_FAULT=${point}`)).status, 137);
      const journal = path.join(device.host.root, devicePaths.stateDirectory, 'journal');
      await writeFile(journal, (await readFile(journal, 'utf8')).replace(/^resumes\t.*$/m, 'resumes\t3'));
      return device.run('boot');
    });
    t.is(run.status, 0, run.output);
    t.like(await device.journal(), { state: 'rolled-back', next: '-', code: 'E_INTERRUPTED' });
    await settled(t, `2.${index}.0`);
  });
}

test.serial('after a power cut between the two, one is left and nginx finds it', async (t) => {
  const id = await device.upload(release('4.0.0'));
  t.is((await device.run(`rollout ${id}`, 'PROSE_SHIP_FAULT=start-first-switched')).status, 137);
  t.is((await containers()).length, 2);
  await device.host.reboot();
  await device.host.exec('rm -f /run/nginx-test.pid; nginx -c /etc/nginx-test.conf');
  const run = await device.run('boot');
  t.is(run.status, 0, run.output);
  await settled(t, '4.0.0');
});

test.serial('when the format of the data changes, it stops like everything else', async (t) => {
  const run = await device.rollout(release('5.0.0', {}, { dataVersion: 2 }));
  t.is(run.status, 0, run.output);
  t.regex(run.output, /info\tstopping web\n/);
  await settled(t, '5.0.0');
});
