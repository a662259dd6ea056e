import test from 'ava';
import { devicePaths } from '../../../src/device/files.ts';
import { Device } from '../../device/device.ts';
import type { SampleRelease } from '../../device/sample-release.ts';

/** Data that follows a release to other names: folders of the volume, called as the names are. */
let device: Device;

test.before('a device', async () => {
  device = await Device.create();
});

test.after.always('gone', async () => {
  await device.destroy();
});

interface Named {
  readonly domain?: string;
  readonly rooms?: string;
  readonly script?: string;
  readonly probes?: readonly (readonly string[])[];
}

const rename = 'for pair; do [ ${pair%%=*} = ${pair#*=} ] || /bin/busybox mv /data/${pair%%=*} /data/${pair#*=} || exit 1; done; echo renamed "$@"';

function release(version: string, { domain = 'one.example', rooms = 'rooms.example', script = rename, probes }: Named = {}, more: Partial<SampleRelease> = {}): SampleRelease {
  const plan = [['data-name', 'domain', domain], ['data-name', 'rooms', rooms], ...(script === '' ? [] : [['data-rename', 'server', '/bin/sh', '-c', script, 'sh']])];
  return { version, domain, plan, timeoutSeconds: 5, services: [{ name: 'server', content: version, port: 8080, ...(probes ? { probes } : {}) }], ...more };
}

const volume = '/var/lib/docker/volumes/sample_data/_data';

/** Folders of the data, with what is in them. */
async function data(): Promise<string> {
  return (await device.host.exec(`cd ${volume} && grep -r --include=text . . | sort`)).stdout;
}

const write = (domain: string, text: string) => device.host.exec(`cd ${volume} && mkdir -p ${domain} && echo ${text} >${domain}/text`);

test.serial('a release with another domain is refused before anything stops', async (t) => {
  t.is((await device.rollout(release('1.0.0'))).status, 0);
  await write('one.example', 'accounts');
  t.deepEqual((await device.inventory()).dataNames, { domain: 'one.example', rooms: 'rooms.example' });
  const container = await device.container('server');
  const refused = await device.rollout(release('1.1.0', { domain: 'two.example' }));
  t.is(refused.status, 3, refused.output);
  t.deepEqual(refused.codes, ['E_DOMAIN_CHANGED']);
  t.regex(refused.output, /keeps its data under other names: one\.example -> two\.example; only 'rollout \S+ rename'/);
  t.is(await device.container('server'), container);
  t.is(await data(), './one.example/text:accounts');
});

test.serial('what a recipe cannot rename is refused even when it is asked for', async (t) => {
  const id = await device.upload(release('1.2.0', { rooms: 'talk.example', script: '' }));
  const refused = await device.run(`rollout ${id} rename`);
  t.is(refused.status, 3, refused.output);
  t.deepEqual(refused.codes, ['E_RENAME_IMPOSSIBLE']);
  t.regex(refused.output, /rooms\.example -> talk\.example; its recipe cannot rename it/);
});

test.serial('asked for it, the data is copied, renamed, and comes back with a rollback', async (t) => {
  const id = await device.upload(release('2.0.0', { domain: 'two.example' }));
  const run = await device.run(`rollout ${id} rename`);
  t.is(run.status, 0, run.output);
  t.regex(run.output, /renamed one\.example=two\.example rooms\.example=rooms\.example/, 'names that stay are told, too');
  t.is(await data(), './two.example/text:accounts');
  await write('two.example', 'later');
  const back = await device.run('rollback');
  t.is(back.status, 0, back.output);
  t.is(await data(), './one.example/text:accounts');
  const forth = await device.run('rollback');
  t.is(forth.status, 0, forth.output);
  t.is(await data(), './two.example/text:later', 'nothing that was written meanwhile is lost');
  t.is((await device.run(`rollout ${id} rename`)).status, 0, 'a second time there is nothing to rename');
});

test.serial('a command that fails, and a gate that does, leave the data as it was', async (t) => {
  for (const [version, named, code] of [
    ['2.1.0', { domain: 'three.example', script: '/bin/busybox rm -r /data/two.example; echo no room >&2; exit 1' }, 'E_RENAME_FAILED'],
    ['2.1.1', { domain: 'three.example', probes: [['command', '/bin/busybox', 'false']] }, 'E_GATE'],
  ] as const) {
    const run = await device.run(`rollout ${await device.upload(release(version, named))} rename`);
    t.is(run.status, 4, run.output);
    t.deepEqual(run.codes, [code], run.output);
    t.is(await data(), './two.example/text:later');
    t.is(await device.answer(), '2.0.0');
  }
});

test.serial('killed around it, the next boot renames the data once', async (t) => {
  let domain = 'two.example';
  for (const state of ['synced', 'snapshotted', 'started']) {
    const next = `${state}.example`;
    const id = await device.upload(release(`3.0.0-${state}`, { domain: next }));
    t.is((await device.run(`rollout ${id} rename`, `PROSE_SHIP_FAULT=${state}`)).status, 137);
    const boot = await device.run('boot');
    t.is(boot.status, 0, boot.output);
    t.is(await data(), `./${next}/text:later`, `${state}: from ${domain}`);
    domain = next;
  }
});

test.serial('killed in the middle of it, what was half renamed is put back first', async (t) => {
  for (const point of ['renaming', 'renamed']) {
    const domain = `${point}.example`;
    // Succeeds only with the data as it was; when the updater is gone, its container still waits.
    const script = `[ ! -d /data/${domain} ] || exit 1; ${rename}; [ -f /data/second ] || { >/data/second; [ ${point} = renamed ] || /bin/busybox sleep 60; }`;
    const id = await device.upload(release(`4.0.0-${point}`, { domain, script }));
    t.is((await device.run(`rollout ${id} rename`, `PROSE_SHIP_FAULT=${point}`)).status, 137);
    await device.host.exec(`for i in $(seq 300); do [ -f ${volume}/second ] && break; sleep 0.1; done; cp ${volume}/second ${devicePaths.stateDirectory}/snapshots/${id}/sample_data/`);
    t.is(await data(), `./${domain}/text:later`);
    const boot = await device.run('boot');
    t.is(boot.status, 0, boot.output);
    t.regex(boot.output, /putting back the data of sample_data/);
    t.is(await data(), `./${domain}/text:later`);
    t.is((await device.host.exec('docker ps -aq --filter label=com.docker.compose.oneoff=True')).stdout, '');
    await device.host.exec(`rm ${volume}/second`);
  }
});

test.serial('a release that does not tell its names is known by its domain, and cannot be renamed', async (t) => {
  const old = await device.rollout(release('5.0.0', { domain: 'renamed.example' }, { plan: [], dataVersion: 2 }));
  t.is(old.status, 0, old.output);
  t.deepEqual((await device.inventory()).dataNames, { domain: 'renamed.example' });
  t.is((await device.rollout(release('5.1.0', { domain: 'five.example' }, { dataVersion: 2 }))).codes[0], 'E_RENAME_IMPOSSIBLE');
  const same = await device.rollout(release('5.2.0', { domain: 'renamed.example' }, { dataVersion: 2 }));
  t.is(same.status, 0, same.output);
});
