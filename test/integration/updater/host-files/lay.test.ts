import test from 'ava';
import { devicePaths } from '../../../../src/device/files.ts';
import { VhostDevice, brokenVhost, vhostFile, vhostRelease } from '../../../device/host-files/vhost-device.ts';

/** Files on the host itself, with a real nginx that reads them. Needs root, Linux, dockerd, nginx; fails without. */
let host: VhostDevice;

const records = `ls -A ${devicePaths.stateDirectory} | grep host-files`;
const notWell = { web: { probes: [['http', 'http://127.0.0.1:8080/nothing', '200']] }, timeoutSeconds: 1 };

test.before('a device with nginx', async (t) => {
  t.timeout(60_000);
  host = await VhostDevice.create();
});

test.after.always('gone', async () => {
  await (host as VhostDevice | undefined)?.device.destroy();
});

test.serial('a first installation that fails leaves nothing on the host; one that does not serves through nginx', async (t) => {
  const failed = await host.device.rollout(vhostRelease('1.0.0', 'zero', notWell));
  t.is(failed.status, 4, failed.output);
  t.is((await host.device.host.exec(`ls -d /etc/vhosts-test; ${records}`)).stdout, '');
  const run = await host.device.rollout(vhostRelease('1.1.0', 'one'));
  t.is(run.status, 0, run.output);
  await host.serves(t, 'one');
  t.is((await host.device.host.exec(`stat -c '%a %u:%g' ${vhostFile} /etc/vhosts-test`)).stdout, '644 0:0\n755 0:0');
  t.deepEqual(await host.status(), [`host-file\t${vhostFile}\tunchanged`]);
});

test.serial('an update changes the vhost without stopping a service, and nginx reloads only when it changed', async (t) => {
  const container = await host.device.container('web');
  const before = await host.reloads();
  const run = await host.device.rollout(vhostRelease('1.2.0', 'two'));
  t.is(run.status, 0, run.output);
  await host.serves(t, 'two');
  t.is(await host.device.container('web'), container);
  t.is(await host.reloads(), before + 1);
  t.is((await host.device.run('rollback')).status, 0);
  await host.serves(t, 'one');
  t.is((await host.device.rollout(vhostRelease('1.2.1', 'two'))).status, 0);
  t.is((await host.device.run('boot')).status, 0);
  t.is(await host.reloads(), before + 3);
});

test.serial('a vhost that nginx refuses: the old one is back and answers', async (t) => {
  const run = await host.device.rollout(vhostRelease('1.3.0', 'three', { hostFiles: [brokenVhost] }));
  t.is(run.status, 4, run.output);
  t.deepEqual(run.codes, ['E_HOST_FILE_CHECK']);
  t.regex(run.output, /the host refuses the new files: 'nginx -c \S+ -t' \(check of action nginx\) ended with exit status 1: .*unknown directive "nothing"/);
  await host.serves(t, 'two');
  t.is((await host.device.host.exec(`ls -A ${vhostFile.replace('/site.conf', '')}`)).stdout, 'site.conf');
  t.like(await host.device.journal(), { state: 'rolled-back', code: 'E_HOST_FILE_CHECK' });
});

test.serial('a release that does not pass its gate takes its vhost along', async (t) => {
  const run = await host.device.rollout(vhostRelease('1.4.0', 'four', notWell));
  t.is(run.status, 4, run.output);
  t.deepEqual(run.codes, ['E_GATE']);
  await host.serves(t, 'two');
});

test.serial("what stood at a place before comes back with the release that does not want it any more", async (t) => {
  const file = '/etc/own-test.conf';
  const before = await host.reloads();
  await host.device.host.exec(`echo own >${file}; chown 7:8 ${file}; chmod 640 ${file}`);
  const over = await host.device.rollout(vhostRelease('2.0.0', 'two', { hostFiles: [{ path: file, content: 'ours\n', mode: '0600' }] }));
  t.is(over.status, 0, over.output);
  const look = async () => (await host.device.host.exec(`cat ${file}; stat -c '%a %u:%g' ${file}`)).stdout;
  t.is(await look(), 'ours\n600 0:0');
  const next = await host.device.rollout(vhostRelease('2.1.0', 'two'));
  t.is(next.status, 0, next.output);
  t.is(await look(), 'own\n640 7:8');
  t.is(await host.reloads(), before, 'the vhost is the same');
});

test.serial('status tells what was changed by hand; the next boot replaces it and keeps a copy', async (t) => {
  await host.device.host.exec(`sed -i 's/X-Vhost two/X-Vhost hand/' ${vhostFile}`);
  t.deepEqual(await host.status(), [`host-file\t${vhostFile}\tchanged`]);
  const boot = await host.device.run('boot');
  t.is(boot.status, 0, boot.output);
  const [, copy = ''] = /\twarning\thost file \S+ was changed by hand; it is replaced, and what stood there is kept as (\S+)\n/.exec(boot.output) ?? [];
  t.regex(await host.device.read(copy), /X-Vhost hand/);
  await host.serves(t, 'two');
  t.deepEqual(await host.status(), [`host-file\t${vhostFile}\tunchanged`]);
});

test.serial('what stands in the way, a folder that cannot be written and an action without its program are refused before anything stops', async (t) => {
  const before = await host.device.container('web');
  await host.device.host.exec('mkdir /etc/folder-test; ln -s folder-test /etc/link-test; mkdir /etc/closed-test; mount --bind /etc/closed-test /etc/closed-test; mount -o remount,ro,bind /etc/closed-test');
  for (const [path, code, message, plan] of [
    ['/etc/folder-test', 'E_HOST_FILE_PATH', /host file \/etc\/folder-test: a folder/],
    ['/etc/link-test/x', 'E_HOST_FILE_PATH', /\/etc\/link-test is a symbolic link to folder-test/],
    ['/etc/shadow', 'E_HOST_FILE_PATH', /may not write \/etc\/shadow/],
    ['/etc/closed-test/a/b', 'E_READ_ONLY', /\/etc\/closed-test is read-only; nothing was touched/],
    ['/etc/x', 'E_HOST_FILE_ACTION', /needs no-such-program/, [['action', 'no', '1'], ['action-apply', 'no', 'no-such-program']]],
    ['/etc/../x', 'E_PLAN', /not one that updater \d+ reads/],
  ] as const) {
    const run = await host.device.rollout(vhostRelease('3.0.0', 'five', { hostFiles: [{ path, content: '', ...(plan ? { action: plan[0][1] } : {}) }], plan: plan ?? [], web: { content: 'never' } }));
    t.is(run.status, 3, run.output);
    t.deepEqual(run.codes, [code], run.output);
    t.regex(run.output, message);
  }
  t.is(await host.device.container('web'), before);
  await host.serves(t, 'two');
});

test.serial('a release without host files takes them all away', async (t) => {
  const before = await host.reloads();
  const run = await host.device.rollout({ ...vhostRelease('4.0.0', 'two'), hostFiles: [], plan: [] });
  t.is(run.status, 0, run.output);
  t.is((await host.device.host.exec('ls -d /etc/vhosts-test')).stdout, '');
  t.is(await host.reloads(), before + 1, 'the action of the release before');
  t.deepEqual(await host.status(), []);
  t.is((await host.device.host.exec(`find ${devicePaths.stateDirectory}/host-files* ! -path '*/changed*'`)).stdout, `${devicePaths.stateDirectory}/host-files.d`);
});

test.serial('a secret that is generated is made once, told nowhere, and stays', async (t) => {
  const wants = (version: string) => ({ ...vhostRelease(version, 'two'), plan: [['secret', 'turn', 'generate']], hostFiles: [] });
  const first = await host.device.rollout(wants('5.0.0'));
  t.is(first.status, 0, first.output);
  const file = `${devicePaths.secretsDirectory}/turn`;
  const secret = await host.device.read(file);
  t.regex(secret, /^[A-Za-z0-9_-]{43}$/);
  t.is((await host.device.host.exec(`stat -c %a ${file}`)).stdout, '444');
  t.false(first.output.includes(secret));
  t.is((await host.device.host.exec(`grep -rlF ${secret} ${devicePaths.stateDirectory}`)).stdout, file);
  t.is((await host.device.rollout(wants('5.1.0'))).status, 0);
  t.is(await host.device.read(file), secret);
});
