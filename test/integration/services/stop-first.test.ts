import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { devicePaths } from '../../../src/device/files.ts';
import { Device } from '../../device/device.ts';
import { startNginx } from '../../device/nginx.ts';
import type { SampleRelease, SampleService } from '../../device/sample-release.ts';
import { ask, type Answer, type LoadTarget } from '../../support/releases/web-load.ts';

let device: Device;
let target: LoadTarget;

test.before('a device with nginx', async () => {
  device = await Device.create();
  target = (await startNginx(device))('forum');
});

test.after.always('gone', async () => {
  await device.destroy();
});

const page = '<h1>Back soon</h1>\n';
const url = 'http://127.0.0.1:8090/version';

/** Takes two seconds until it answers. */
function forum(version: string, more: Partial<SampleService> = {}): SampleService {
  const command = ['/bin/sh', '-c', '/bin/busybox sleep 2; exec /bin/busybox httpd -f -p 80 -h /www'];
  return { name: 'forum', content: version, port: 8090, command, maintenancePage: page, probes: [['http', url, '200']], ...more };
}

/** What visitors were told, each answer once for each time that it changed. */
function watch(): { stop(): Promise<Answer[]> } {
  const seen: Answer[] = [];
  const end = new AbortController();
  const watching = (async () => {
    while (!end.signal.aborted) {
      const answer = await ask(target, '/version');
      if (seen.at(-1)?.status !== answer.status || seen.at(-1)?.text !== answer.text) seen.push(answer);
      await delay(20);
    }
  })();
  return {
    stop: async () => {
      end.abort();
      await watching;
      return seen;
    },
  };
}

const shown = (answers: readonly Answer[]) => answers.map(({ status, text }) => `${status} ${text.trim()}`);
const isHidden = async () => (await device.host.exec(`ls -A ${devicePaths.maintenanceDirectory}`)).stdout === '';

test.serial('while a service is stopped, nginx shows its page', async (t) => {
  t.is((await device.rollout({ version: '1.0.0', services: [forum('1.0.0')] })).status, 0);
  const visitors = watch();
  const run = await device.rollout({ version: '1.1.0', soakSeconds: 1, services: [forum('1.1.0')] });
  const answers = await visitors.stop();
  t.is(run.status, 0, run.output);
  t.deepEqual(shown(answers), ['200 1.0.0', '503 <h1>Back soon</h1>', '200 1.1.0'], 'and never an error of its own');
  t.is(answers[1]?.headers['retry-after'], '30');
  t.is(answers[1]?.headers['content-type'], 'text/html');
  t.true(await isHidden());
});

test.serial('the page goes on the way back, too', async (t) => {
  const visitors = watch();
  const run = await device.rollout({ version: '1.2.0', timeoutSeconds: 3, services: [forum('1.2.0', { probes: [['http', 'http://127.0.0.1:8090/nothing', '200']] })] });
  const answers = await visitors.stop();
  t.is(run.status, 4, run.output);
  t.deepEqual(shown(answers), ['200 1.1.0', '503 <h1>Back soon</h1>', '200 1.1.0']);
  t.true(await isHidden());
});

test.serial('killed while it is stopped, the next boot ends the page', async (t) => {
  const id = await device.upload({ version: '1.3.0', services: [forum('1.3.0')] });
  t.is((await device.run(`rollout ${id}`, 'PROSE_SHIP_FAULT=stopped')).status, 137);
  t.is((await ask(target, '/version')).status, 503);
  const boot = await device.run('boot');
  t.is(boot.status, 0, boot.output);
  t.is((await ask(target, '/version')).text, '1.3.0');
  t.true(await isHidden());
});

test.serial('a backup shows it, too', async (t) => {
  const visitors = watch();
  const run = await device.run('backup monday');
  const answers = await visitors.stop();
  t.is(run.status, 0, run.output);
  t.deepEqual(shown(answers), ['200 1.3.0', '503 <h1>Back soon</h1>', '200 1.3.0']);
  t.true(await isHidden());
});

test.serial('a page that is left over goes with the next boot', async (t) => {
  await device.host.exec(`echo old >${devicePaths.maintenanceDirectory}/forum`);
  t.is((await device.run('boot')).status, 0);
  t.true(await isHidden());
});

const server = (content: string, more: Partial<SampleService> = {}): SampleService => ({ name: 'server', content, ...more });
const api: SampleService = { name: 'api', content: 'api' };
const dashboard: SampleService = { name: 'dashboard', content: 'dashboard', ports: '127.0.0.1:8081-8082:80', probes: [['http', 'http://127.0.0.1:{port}/version', '200']] };
const other: SampleService = { name: 'other', content: 'other' };

function pod(version: string, more: Partial<SampleRelease> = {}): SampleRelease {
  const plan = [['restart-after', 'api', 'server'], ['restart-after', 'dashboard', 'api'], ['order', 'dashboard', 'start-first', '2']];
  return { version, plan, services: [server(version), api, dashboard, other], ...more };
}

interface State {
  readonly id: string;
  readonly startedAt: string;
}

async function states(): Promise<Record<string, State>> {
  const format = '{{index .Config.Labels "com.docker.compose.service"}} {{.ID}} {{.State.StartedAt}}';
  const { stdout } = await device.host.exec(`docker inspect -f '${format}' $(docker ps -aq)`);
  const rows = stdout.split('\n').filter(Boolean).map((line) => line.split(' '));
  return Object.fromEntries(rows.map(([name = '', id = '', startedAt = '']) => [name, { id, startedAt }]));
}

/** How the containers of a service before and after differ. */
function change(before: State | undefined, after: State | undefined): string {
  if (before?.id !== after?.id) return 'replaced';
  return before?.startedAt === after?.startedAt ? 'untouched' : 'restarted';
}

async function changes(before: Record<string, State>): Promise<Record<string, string>> {
  const after = await states();
  return Object.fromEntries(Object.keys(after).map((name) => [name, change(before[name], after[name])]));
}

const afterServer = { server: 'replaced', api: 'restarted', dashboard: 'replaced', other: 'untouched' };

test.serial('what depends on a replaced service restarts after it, and what depends on that', async (t) => {
  t.is((await device.rollout(pod('2.0.0'))).status, 0);
  const before = await states();
  const run = await device.rollout(pod('2.1.0'));
  t.is(run.status, 0, run.output);
  t.deepEqual(await changes(before), afterServer);
  const now = await states();
  t.true(now['server']!.startedAt < now['api']!.startedAt, 'after it, not with it');
  t.is(run.output.match(/services to replace: (.*)/)?.[1], 'server api dashboard');
});

test.serial('so it does on the way back, and by a rollback', async (t) => {
  const before = await states();
  const failing = server('2.2.0', { probes: [['command', '/bin/busybox', 'false']] });
  const run = await device.rollout(pod('2.2.0', { timeoutSeconds: 1, services: [failing, api, dashboard, other] }));
  t.is(run.status, 4, run.output);
  t.deepEqual(await changes(before), afterServer);
  const between = await states();
  t.is((await device.run('rollback')).status, 0);
  t.deepEqual(await changes(between), afterServer);
});

test.serial('so it does when the updater was killed in between', async (t) => {
  for (const [index, point] of ['stopped', 'started'].entries()) {
    const before = await states();
    const id = await device.upload(pod(`2.3.${index}`));
    t.is((await device.run(`rollout ${id}`, `PROSE_SHIP_FAULT=${point}`)).status, 137);
    const boot = await device.run('boot');
    t.is(boot.status, 0, boot.output);
    t.deepEqual(await changes(before), afterServer, point);
  }
});

test.serial('a change of something else restarts nothing', async (t) => {
  const before = await states();
  const run = await device.rollout(pod('2.4.0', { services: [server('2.3.1'), api, dashboard, { ...other, content: 'changed' }] }));
  t.is(run.status, 0, run.output);
  t.deepEqual(await changes(before), { server: 'untouched', api: 'untouched', dashboard: 'untouched', other: 'replaced' });
});

test.serial('what may not follow, or needs more than there is, is refused before anything stops', async (t) => {
  const recipe = (version: string) => ['recipe', 'pod', version];
  const release = (version: string, plan: readonly (readonly string[])[], more: Partial<SampleRelease> = {}): SampleRelease => ({ version, plan, services: [server(version)], ...more });
  t.is((await device.rollout(release('3.0.0', [recipe('1.4.0')], { dataVersion: 2 }))).status, 0);
  t.like((await device.inventory()).releases.find(({ version }) => version === '3.0.0'), { dataVersion: 2, recipe: { name: 'pod', version: '1.4.0' } });
  const before = await states();
  const from = ['upgrade-from', '>=1.5.0', '<2.0.0-0'];
  for (const [code, message, refused] of [
    ['E_UPGRADE_PATH', /follows versions >=1\.5\.0 <2\.0\.0-0 \|\| >=2\.1\.0 of the recipe pod; here runs pod 1\.4\.0/, release('3.1.0', [recipe('2.0.0'), from, ['upgrade-from', '>=2.1.0']], { dataVersion: 2 })],
    ['E_UPGRADE_PATH', /here runs pod 1\.4\.0/, release('3.1.1', [['recipe', 'wiki', '2.0.0'], ['upgrade-from', '>=1.0.0']], { dataVersion: 2 })],
    ['E_ENGINE_TOO_OLD', /the Docker engine is \d+\.\S+, release \S+ needs 99\.0\.0 or newer/, release('3.1.2', [['requires', 'engine', '99.0.0']], { dataVersion: 2 })],
    ['E_COMPOSE_TOO_OLD', /Docker Compose is 2\.\S+, release \S+ needs 2\.99\.0 or newer/, release('3.1.3', [['requires', 'compose', '2.99.0']], { dataVersion: 2 })],
    ['E_DATA_TOO_NEW', /the data has version 2, release \S+ reads 1/, release('3.1.4', [])],
    ['E_PLAN', /not one that updater \d+ reads/, release('3.1.5', [['upgrade-from', '$(reboot)']])],
  ] as const) {
    const run = await device.rollout(refused);
    t.is(run.status, 3, run.output);
    t.deepEqual(run.codes, [code], run.output);
    t.regex(run.output, message);
    t.deepEqual(await states(), before);
  }
  const fits = await device.rollout(release('3.2.0', [recipe('2.0.0'), ['upgrade-from', '>=1.4.0', '<2.0.0-0'], ['requires', 'engine', '20.10.0'], ['requires', 'compose', '2.17.0']], { dataVersion: 2 }));
  t.is(fits.status, 0, fits.output);
  const back = await device.run('rollback');
  t.is(back.status, 0, back.output);
});

test.serial('a rollback that was interrupted is still a rollback', async (t) => {
  // Forward, the older release would be refused: it asks for versions of its recipe that are older than what runs.
  const older: SampleRelease = { version: '4.0.0', plan: [['recipe', 'pod', '1.0.0'], ['upgrade-from', '<1.5.0']], dataVersion: 2, services: [server('4.0.0')] };
  t.is((await device.rollout(older)).status, 0);
  t.is((await device.rollout({ version: '4.1.0', plan: [['recipe', 'pod', '2.0.0']], dataVersion: 2, services: [server('4.1.0')] })).status, 0);
  t.is((await device.run('rollback', 'PROSE_SHIP_FAULT=synced')).status, 137);
  const boot = await device.run('boot');
  t.is(boot.status, 0, boot.output);
  t.is((await device.inventory()).releases.find(({ id }) => id.startsWith('4.0.0'))?.id, (await device.inventory()).currentId);
});
