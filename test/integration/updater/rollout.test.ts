import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { devicePaths } from '../../../src/device/files.ts';
import { rolloutStates } from '../../../src/device/rollout-log.ts';
import { Device, readRun } from '../../device/device.ts';
import type { SampleRelease, SampleService } from '../../device/sample-release.ts';
import { neverWell, release, side, web } from '../../device/web-service.ts';

let device: Device;

test.before('a device', async () => {
  device = await Device.create();
});

test.after.always('gone', async () => {
  await device.destroy();
});

/** The release that serves when a test begins; tests run one after another on the same device. */
let current = '';

test.serial('a first release that does not pass its gate is taken down again', async (t) => {
  const run = await device.rollout(release('0.1.0', { timeoutSeconds: 1, services: [side, web('0.1.0', neverWell)] }));
  t.is(run.status, 4, run.output);
  t.deepEqual(run.codes, ['E_GATE']);
  t.is((await device.host.exec('docker ps -aq')).stdout, '');
  t.is((await device.journal())['state'], 'rolled-back');
  t.is((await device.inventory()).currentId, undefined);
});

test.serial('rolls out a first release', async (t) => {
  const run = await device.rollout(release('1.0.0', { soakSeconds: 1 }));
  t.is(run.status, 0, run.output);
  t.deepEqual(run.states, rolloutStates.slice(0, -1));
  t.is(await device.answer(), '1.0.0');
  const inventory = await device.inventory();
  t.is(inventory.currentId, run.id);
  t.deepEqual(inventory.journal, { state: 'committed', id: run.id });
  t.is(inventory.chains.length, 3, 'side, and web of the failed and of the good release');
  const files = await device.host.exec(`find ${devicePaths.filesDirectory} -type f -printf '%f %m %U %G'; ls ${devicePaths.releasesDirectory}/${run.id}`);
  t.true(files.stdout.startsWith('side.conf 640 7 8'), files.stdout);
  t.false(files.stdout.includes('images'), 'archives are deleted once they are loaded');
  current = run.id;
});

test.serial('an update recreates only what changed, apart from the session that asked for it', async (t) => {
  const before = { side: await device.container('side'), web: await device.container('web') };
  const id = await device.upload(release('1.1.0'));
  const started = await device.host.exec(`PROSE_SHIP_OPERATOR=someone ${devicePaths.updater} start rollout ${id}`);
  const followed = await device.host.exec([devicePaths.updater, 'follow', started.stdout.trim()], { timeoutMs: 90_000 });
  const run = readRun(followed.exitCode, followed.stdout, started.stderr);
  t.is(run.status, 0, run.output);
  t.like(run.lines.at(-1), { kind: 'end', status: 0 });
  t.is(await device.answer(), '1.1.0');
  t.is(await device.container('side'), before.side);
  t.not(await device.container('web'), before.web);
  const inventory = await device.inventory();
  t.is(inventory.previousId, current);
  t.regex(await device.read(`${devicePaths.stateDirectory}/audit.log`), new RegExp(`\tsomeone\trollout ${id}\tdone\tseconds=\\d+ from=${current} to=${id} log=rollout-\\S+\\.log\n$`));
  current = id;
  const again = await device.run(`rollout ${id}`);
  t.is(again.status, 0, again.output);
  t.deepEqual(again.states, [], 'the second time nothing is left to do');
});

test.serial('a gate that never passes rolls back to the old release', async (t) => {
  const before = await device.container('side');
  const run = await device.rollout(release('1.2.0', { timeoutSeconds: 2, services: [side, web('1.2.0', neverWell)] }));
  t.is(run.status, 4, run.output);
  t.deepEqual(run.codes, ['E_GATE']);
  t.regex(run.output, /probe 'web http .*\/nothing 200' got: HTTP status 404/);
  t.is(await device.answer(), '1.1.0');
  t.is(await device.container('side'), before);
  t.is((await device.inventory()).currentId, current);
});

test.serial('a service that crashes in a loop rolls back and shows its last lines', async (t) => {
  const crashing = web('1.3.0', { command: ['/bin/sh', '-c', 'echo no database; exit 1'] });
  const run = await device.rollout(release('1.3.0', { timeoutSeconds: 8, services: [side, crashing] }));
  t.is(run.status, 4, run.output);
  t.regex(run.output, /service web (is restarting|restarted)[^]*\| no database/);
  t.is(await device.answer(), '1.1.0');
});

test.serial('an unhealthy service, a service that restarts while it is watched, and a failing command do not pass', async (t) => {
  const unhealthy = web('1.3.1', { healthcheck: ['/bin/busybox', 'false'] });
  const restless = web('1.3.2', { command: ['/bin/sh', '-c', '/bin/busybox httpd -p 80 -h /www; /bin/busybox sleep 1; exit 1'] });
  const failing = web('1.3.3', { probes: [['command', '/bin/busybox', 'sh', '-c', 'echo not ready; exit 3']] });
  for (const [service, message, soakSeconds] of [
    [unhealthy, /service web is (starting|unhealthy)/, 0],
    [restless, /service web (is restarting|restarted|is exited)|got: HTTP status 000/, 5],
    [failing, /got: exit status 3: not ready/, 0],
  ] as const) {
    const run = await device.rollout(release(service.content, { timeoutSeconds: 2, soakSeconds, services: [side, service] }));
    t.is(run.status, 4, run.output);
    t.regex(run.output, message);
    t.is(await device.answer(), '1.1.0');
  }
});

test.serial('a port behind which nothing listens is no open port', async (t) => {
  const deaf = web('1.3.4', { command: ['/bin/busybox', 'sleep', '1000'], probes: [['tcp', '127.0.0.1', '8080']] });
  const run = await device.rollout(release('1.3.4', { timeoutSeconds: 1, services: [side, deaf] }));
  t.is(run.status, 4, run.output);
  t.regex(run.output, /probe 'web tcp 127.0.0.1 8080' got: the connection was closed at once/);
  const open = await device.rollout(release('1.4.0', { services: [side, web('1.4.0', { probes: [['tcp', '127.0.0.1', '8080']] })] }));
  t.is(open.status, 0, open.output);
  current = open.id;
});

test.serial('what cannot run here is refused before anything is stopped', async (t) => {
  const before = await device.container('web');
  const incoming = path.join(device.host.root, devicePaths.incomingDirectory);
  const refused = async (expected: string, more: Partial<SampleRelease>, damage?: (directory: string) => Promise<void>) => {
    const id = await device.upload(release('2.0.0', more));
    await damage?.(path.join(incoming, id));
    const run = await device.run(`rollout ${id}`);
    t.is(run.status, 3, run.output);
    t.deepEqual(run.codes, [expected], run.output);
    t.is(await device.container('web'), before);
    return id;
  };
  const flipByte = async (directory: string) => {
    const archive = path.join(directory, 'images/web.tar.gz');
    const bytes = await readFile(archive);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(archive, bytes);
  };
  const damaged = await refused('E_CHECKSUM', { services: [side, web('2.0.0')] }, flipByte);
  const kept = (await device.host.exec(`find ${devicePaths.incomingDirectory}/${damaged} -name '*.gz' -printf '%f '`)).stdout;
  t.is(kept, 'side.tar.gz ', 'only the damaged archive has to be sent again');
  await refused('E_CHECKSUM', { services: [side, web('2.0.1')] }, (directory) => appendFile(path.join(directory, 'compose.yaml'), ' '));
  await refused('E_CHECKSUM', { services: [side, web('2.0.2')] }, (directory) => writeFile(path.join(directory, 'extra'), ''));
  await refused('E_LOAD_FAILED', { services: [side, web('2.0.3', { wrongPlan: true })] });
  await refused('E_IMAGE_MISSING', { services: [side, web('2.0.4')] }, async (directory) => {
    await rm(path.join(directory, 'images'), { recursive: true });
    await writeFile(path.join(directory, 'UPLOAD.sha256'), '');
  });
  await refused('E_WRONG_PLATFORM', { platform: 'linux-arm-v7' });
  await refused('E_MISSING_SECRET', { secrets: ['salt'] });
  t.is((await device.run('rollout 9.9.9-000000000000')).codes.join(), 'E_NOT_UPLOADED');
  t.is((await device.run('rollout ../../etc')).status, 2);
});

test.serial('a platforms file tells what else runs here, and a secret that is there suffices', async (t) => {
  await device.host.exec(`mkdir -p /etc/prose-ship ${devicePaths.secretsDirectory}
    printf '# native\\nlinux/amd64\\nlinux/arm/v7\\n' >/etc/prose-ship/platforms; echo x >${devicePaths.secretsDirectory}/salt`);
  const run = await device.rollout(release('2.1.0', { platform: 'linux-arm-v7', secrets: ['salt'] }));
  t.is(run.status, 0, run.output);
  t.is(await device.answer(), '2.1.0');
  t.deepEqual((await device.inventory()).platforms.map(({ architecture }) => architecture), ['amd64', 'arm']);
  current = run.id;
});

test.serial('a second run at the same time is refused and told who is first', async (t) => {
  const id = await device.upload(release('3.0.0', { timeoutSeconds: 30, services: [side, web('3.0.0', neverWell)] }));
  const log = (await device.host.exec(`PROSE_SHIP_OPERATOR=first ${devicePaths.updater} start rollout ${id}`)).stdout.trim();
  const second = await device.run('prune');
  t.is(second.status, 3, second.output);
  t.regex(second.output, new RegExp(`E_LOCKED\t.*owner first, run rollout ${id}`));
  // An impatient administrator: the rollout must revert, not stay half-way.
  await device.host.exec(`kill -TERM "$(awk '$1 == "pid" { print $2 }' ${devicePaths.stateDirectory}/lock)"`);
  const followed = await device.host.exec([devicePaths.updater, 'follow', log], { timeoutMs: 90_000 });
  const run = readRun(followed.exitCode, followed.stdout);
  t.is(run.status, 4, run.output);
  t.deepEqual(run.codes, ['E_INTERRUPTED']);
  t.is(await device.answer(), '2.1.0');
});

test.serial('rollback goes to the previous release, and back again', async (t) => {
  const { previousId } = await device.inventory();
  const back = await device.run('rollback');
  t.is(back.status, 0, back.output);
  t.is(await device.answer(), '1.4.0');
  t.is((await device.inventory()).currentId, previousId);
  const forth = await device.run(`rollback ${current}`);
  t.is(forth.status, 0, forth.output);
  t.is(await device.answer(), '2.1.0');
  t.deepEqual((await device.run('rollback 8.8.8-0')).codes, ['E_ROLLBACK_IMPOSSIBLE']);
});

test.serial('a way back that is not there refuses the way forward', async (t) => {
  const image = (await device.host.exec(`docker inspect -f '{{.Config.Image}}' "$(docker ps -q --filter label=com.docker.compose.service=web)"`)).stdout.trim();
  // The container keeps the layers, but Compose could not make it again.
  await device.host.exec(`docker tag ${image} keep:1 && docker rmi ${image}`);
  const run = await device.rollout(release('3.1.0'));
  t.is(run.status, 3, run.output);
  t.deepEqual(run.codes, ['E_ROLLBACK_IMPOSSIBLE']);
  await device.host.exec(`docker tag keep:1 ${image} && docker rmi keep:1`);
});

test.serial('data is copied cold before its format changes and put back on the way back', async (t) => {
  const data = '/var/lib/docker/volumes/sample_data/_data/format';
  await device.host.exec(`echo old >${data}; chown 7:8 ${data}`);
  const migrating = (content: string, more: Partial<SampleService> = {}) =>
    web(content, { command: ['/bin/sh', '-c', 'echo new >/data/format; exec /bin/busybox httpd -f -p 80 -h /www'], ...more });
  const inspect = async () => (await device.host.exec(`cat ${data}; stat -c %u:%g ${data}`)).stdout;
  const failing = await device.rollout(
    release('4.0.0', { dataVersion: 2, timeoutSeconds: 2, services: [side, migrating('4.0.0', neverWell)] }),
  );
  t.is(failing.status, 4, failing.output);
  t.is(await inspect(), 'old\n7:8');
  t.is(await device.answer(), '2.1.0');
  const passing = await device.rollout(release('4.1.0', { dataVersion: 2, services: [side, migrating('4.1.0')] }));
  t.is(passing.status, 0, passing.output);
  t.is(await inspect(), 'new\n7:8');
  const back = await device.run('rollback');
  t.is(back.status, 0, back.output);
  t.is(await inspect(), 'old\n7:8');
});

test.serial('a service that a release drops goes, and comes back with the old one', async (t) => {
  const dropped = await device.rollout(release('5.0.0', { timeoutSeconds: 2, services: [web('5.0.0', neverWell)] }));
  t.is(dropped.status, 4, dropped.output);
  t.not(await device.container('side'), '');
  const kept = await device.rollout(release('5.1.0', { services: [web('5.1.0')] }));
  t.is(kept.status, 0, kept.output);
  t.is(await device.container('side'), '');
  current = kept.id;
});

test.serial('prune keeps the current and the previous release and nothing else', async (t) => {
  const run = await device.run('prune');
  t.is(run.status, 0, run.output);
  const inventory = await device.inventory();
  t.deepEqual(inventory.releases.map(({ id }) => id).sort(), [inventory.currentId, inventory.previousId].sort());
  t.is(inventory.chains.length, 3, 'web and side of the previous release, web of the current one');
  t.is((await device.run('rollback')).status, 0);
  t.is((await device.run('rollback')).status, 0);
  t.is(await device.answer(), '5.1.0');
});
