import test from 'ava';
import { VhostDevice, vhostFile, vhostRelease } from '../../../device/host-files/vhost-device.ts';

/** Updates that die while they change files on the host. Needs root, Linux, dockerd, nginx; fails without. */
let host: VhostDevice;
let at = 0;

/** Every other release has a second file, in a folder of its own and where somebody else's stands. */
function release(number: number) {
  const more = number % 2 === 0 ? [] : [{ path: '/etc/other-test/file', content: 'x' }, { path: '/etc/own-test.conf', content: 'ours' }];
  return vhostRelease(`1.${number}.0`, `vhost${number}`, { hostFiles: more });
}

test.before('a device with a vhost', async (t) => {
  t.timeout(60_000);
  host = await VhostDevice.create();
  await host.device.host.exec('echo own >/etc/own-test.conf');
  const run = await host.device.rollout(release(at));
  if (run.status !== 0) throw new Error(run.output);
});

test.after.always('gone', async () => {
  await (host as VhostDevice | undefined)?.device.destroy();
});

for (const point of ['kept', 'removed', 'listed', 'unlisted', 'written', 'due', 'checked', 'applied']) {
  test.serial(`killed at '${point}', the next boot goes on to the new release`, async (t) => {
    at += 1;
    const id = await host.device.upload(release(at));
    const killed = await host.device.run(`rollout ${id}`, `PROSE_SHIP_FAULT=host-files-${point}`);
    t.is(killed.status, 137, killed.output);
    // A power cut with the files half-way; nginx comes up with what it finds.
    if (point === 'written') {
      await host.device.host.reboot();
      await host.startNginx();
    }
    const boot = await host.device.run('boot');
    t.is(boot.status, 0, boot.output);
    t.deepEqual(boot.lines.filter(({ kind }) => kind === 'warning'), [], boot.output);
    t.like(await host.device.journal(), { id, state: 'committed', next: '-' });
    await host.serves(t, `vhost${at}`, boot.output);
    const odd = at % 2 === 1;
    t.is((await host.device.host.exec('cat /etc/own-test.conf; ls /etc/other-test')).stdout, odd ? 'oursfile' : 'own');
    t.is((await host.status()).length, odd ? 3 : 1);
    t.is((await host.device.host.exec(`find /etc/own-test.conf /etc/other-test ${vhostFile.replace('/site.conf', '')} /var/lib/prose-ship/host-files* -name '*prose-ship' -o -name '*.new' -o -name due`)).stdout, '');
  });
}

test.serial('killed in the middle of files again and again, the old release comes back with its files', async (t) => {
  const id = await host.device.upload(release(at + 1));
  for (let deaths = 0; deaths < 4; deaths += 1) {
    const run = await host.device.run(deaths === 0 ? `rollout ${id}` : 'boot', 'PROSE_SHIP_FAULT=host-files-checked');
    t.is(run.status, 137, run.output);
  }
  const boot = await host.device.run('boot');
  t.is(boot.status, 0, boot.output);
  t.like(await host.device.journal(), { id, state: 'rolled-back', code: 'E_INTERRUPTED' });
  await host.serves(t, `vhost${at}`, boot.output);
  t.deepEqual((await host.status()).filter((line) => !line.endsWith('unchanged')), []);
});
