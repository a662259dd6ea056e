import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { Device } from '../../device/device.ts';
import type { SampleRelease } from '../../device/sample-release.ts';

function release(version: string): SampleRelease {
  return { version, services: [{ name: 'web', content: version, port: 8080, samples: true, probes: [['http', 'http://127.0.0.1:8080/version', '200']] }] };
}

/** What a power cut leaves of files that did not reach the disk: behind the engine's back, in whichever store it has. */
const hollow = `find /var/lib/docker -path '*/www/version' -exec grep -lxF "$version" {} + | xargs -r truncate -s 0`;

/** Stands before the real `docker` and damages what it has just loaded, once or each time. */
const wrapper = `#!/bin/sh
/usr/bin/docker "$@"
status=$?
if [ "$1" = load ] && [ -s /damage ]; then
  version=$(cat /damage)
  ${hollow}
  [ ! -e /damage-once ] || rm /damage /damage-once
fi
exit $status
`;

for (const store of ['containerd', 'overlay2'] as const) {
  test.serial(`${store}: a file that is empty on the disk is found, and the image loaded again or refused`, async (t) => {
    const device = await Device.create({ store });
    try {
      await mkdir(path.join(device.host.root, 'wrap'));
      await writeFile(path.join(device.host.root, 'wrap/docker'), wrapper, { mode: 0o755 });
      const images = async () => (await device.host.exec("docker image ls --format '{{.Repository}}'")).stdout.split('\n').filter(Boolean).length;
      const containers = async () => (await device.host.exec('docker ps -aq')).stdout.split('\n').filter(Boolean).length;

      const first = await device.rollout(release('1.0.0'));
      t.is(first.status, 0, first.output);
      const dropped = (await device.host.exec('cat /proc/sys/vm/drop_caches')).stdout.trim();
      t.is(dropped, store === 'containerd' ? '3' : '', 'it reads from the disk; what lies in folders by itself');

      await device.host.exec('echo 1.1.0 >/damage; touch /damage-once');
      const second = await device.upload(release('1.1.0'));
      const healed = await device.run(`rollout ${second}`, 'PATH=/wrap:$PATH');
      t.is(healed.status, 0, healed.output);
      t.regex(healed.output, /warning\tweb: \/www\/version has 0 bytes instead of 5; loading it again/);
      t.is(await device.answer(), '1.1.0');
      t.is(await containers(), 1, 'what was made for the proof is gone');

      await device.host.exec('echo 1.2.0 >/damage');
      const third = await device.upload(release('1.2.0'));
      const refused = await device.run(`rollout ${third}`, 'PATH=/wrap:$PATH');
      t.is(refused.status, 3, refused.output);
      t.deepEqual(refused.codes, ['E_IMAGE_DAMAGED']);
      t.regex(refused.output, /is damaged even after it was loaded again: \/www\/version has 0 bytes instead of 5\. The disk is failing/);
      t.is(await device.answer(), '1.1.0');
      t.deepEqual([await images(), await containers()], [2, 1], 'it was discarded');
      const again = await device.run(`rollout ${third}`);
      t.is(again.status, 0, `its archive was kept: ${again.output}`);
      t.is(await device.answer(), '1.2.0');

      // Prepared today, power cut tonight, rolled out tomorrow.
      const fourth = await device.upload(release('1.3.0'));
      t.is((await device.run(`prepare ${fourth}`)).status, 0);
      await device.host.exec(`version=1.3.0; ${hollow}`);
      const gone = await device.run(`rollout ${fourth}`);
      t.is(gone.status, 3, gone.output);
      t.deepEqual(gone.codes, ['E_IMAGE_DAMAGED']);
      t.regex(gone.output, /is damaged on this device: \/www\/version has 0 bytes instead of 5\. It was discarded; send the release again/);
      t.is(await device.answer(), '1.2.0');
      const sent = await device.rollout(release('1.3.0'));
      t.is(sent.status, 0, sent.output);
      t.is(await device.answer(), '1.3.0');
      const back = await device.run('rollback');
      t.is(back.status, 0, back.output);
      t.is(await device.answer(), '1.2.0');

      await device.host.exec(`version=1.2.0; ${hollow}`);
      const boot = await device.run('boot');
      t.is(boot.status, 1, boot.output);
      t.deepEqual(boot.codes, ['E_IMAGE_DAMAGED']);
      t.regex(boot.output, /which release \S+ runs, is damaged: \/www\/version has 0 bytes instead of 5/);
      t.deepEqual([await images(), await containers()], [4, 1], 'it tells, and leaves everything as it is');
    } finally {
      await device.destroy();
    }
  });
}
