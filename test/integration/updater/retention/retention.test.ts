import test from 'ava';
import { devicePaths } from '../../../../src/device/files.ts';
import { keeps, kept, release, withDevice } from '../../../device/retention.ts';

/** What a device keeps. Needs root, Linux, dockerd; fails without. */

test.serial('keeps as many as the release says, the newest ones, and all where it says nothing', async (t) => {
  t.timeout(120_000);
  await withDevice({}, async (device, ship) => {
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) await ship(release(version));
    t.deepEqual(await kept(device), keeps('1.0.0', '1.1.0', '1.2.0'));
    // A rollback is a commit, too: 1.0.0 is the newest then.
    const first = (await device.inventory()).releases.find(({ version }) => version === '1.0.0');
    t.is((await device.run(`rollback ${first?.id ?? ''}`)).status, 0);
    // Never ran here: no way back leads there.
    t.is((await device.run(`prepare ${await device.upload(release('1.9.0'))}`)).status, 0);
    const failing = release('1.8.0', undefined, { timeoutSeconds: 1, services: [{ name: 'web', content: '1.8.0', command: ['/bin/false'] }] });
    t.is((await device.rollout(failing)).status, 4);
    const run = await ship(release('1.3.0', [3, 0]));
    t.regex(run.output, /removed release 1\.1\.0-/);
    t.deepEqual(await kept(device), keeps('1.0.0', '1.2.0', '1.3.0'));
    for (const [version, answer] of [['1.2.0', '1.2.0'], ['1.0.0', '1.0.0'], ['1.3.0', '1.3.0']] as const) {
      const { id = '' } = (await device.inventory()).releases.find((one) => one.version === version) ?? {};
      const back = await device.run(`rollback ${id}`);
      t.is(back.status, 0, back.output);
      t.is((await device.host.exec('docker exec $(docker ps -q) /bin/busybox cat /www/version')).stdout, answer);
    }
    // By hand, with a release that says nothing again: the current and the previous one.
    await ship(release('1.4.0'));
    t.is((await device.run('prune')).status, 0);
    t.deepEqual(await kept(device), keeps('1.3.0', '1.4.0'));
    // What was pushed and waits for its rollout stays.
    const id = await device.upload(release('1.5.0'));
    t.is((await device.run(`prepare ${id}`)).status, 0);
    t.is((await device.run('prune')).status, 0);
    t.deepEqual(await kept(device), keeps('1.3.0', '1.4.0', '1.5.0'));
    t.is((await device.run(`rollout ${id}`)).status, 0);
  });
});

test.serial('images without a name go when they are of a release, and stay when they are not', async (t) => {
  t.timeout(60_000);
  await withDevice({}, async (device, ship) => {
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) await ship(release(version));
    const images = async () => (await device.host.exec('docker image ls --quiet --filter dangling=true | wc -l')).stdout;
    // The name of the first release's image goes to another image; and somebody's own image has no name.
    await device.host.exec(`set -e; cd ${devicePaths.releasesDirectory}/1.0.0-*
      reference=$(awk '$1 == "image" { print $3 }' plans/*.plan)
      echo own >/tmp/own; own=$(tar -C /tmp -c own | docker import -)
      docker tag "$own" "$reference"; tar -C /tmp -c own | docker import - >/dev/null`);
    t.is(await images(), '2');
    const run = await device.run('prune');
    t.is(run.status, 0, run.output);
    t.regex(run.output, /removed image sha256:\w+, which had no name/);
    t.is(await images(), '1');
    t.deepEqual((await kept(device)).releases, ['1.1.0', '1.2.0']);
  });
});

test.serial('an upload that somebody still sends stays whatever the clock says; one that was given up goes', async (t) => {
  t.timeout(60_000);
  await withDevice({}, async (device) => {
    const uploads = async () => (await device.host.exec(`ls ${devicePaths.incomingDirectory}`)).stdout.split('\n').filter(Boolean);
    // The board had no clock yet when they came; `resumed` got something since.
    const { stdout: sender } = await device.host.exec(`set -e; cd ${devicePaths.incomingDirectory}
      mkdir -p sent/images given-up/images resumed/images; touch sent/images/.a.part given-up/images/.b.part
      sleep 300 >>sent/images/.a.part 2>/dev/null & echo $!
      find . -mindepth 1 -exec touch -d 1970-01-02 {} +; touch resumed/images/.c.part`);
    t.is((await device.run('prune')).status, 0);
    t.deepEqual(await uploads(), ['resumed', 'sent']);
    await device.host.exec(`kill ${sender.trim()}`);
    t.is((await device.run('prune')).status, 0);
    t.deepEqual(await uploads(), ['resumed']);
  });
});
