import { chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { Device } from '../../device/device.ts';
import type { SampleRelease } from '../../device/sample-release.ts';

/** A clock that is years off, and leaps while a release is rolled out. Needs root, Linux, dockerd; fails without. */
function release(version: string, more: Partial<SampleRelease> = {}): SampleRelease {
  const probes = [['http', 'http://127.0.0.1:8080/version', '200']];
  return { version, services: [{ name: 'web', content: version, port: 8080, probes }], soakSeconds: 2, timeoutSeconds: 20, ...more };
}

/** In place of `date`: the first, third, ... second asked for is in 1970, the others in 2099. */
const leapingDate = `#!/bin/sh
if [ "\${1:-}" != +%s ]; then exec /bin/date --date=@86400 "$@"; fi
if mkdir /run/leaped 2>/dev/null; then echo 86400; else rmdir /run/leaped; echo 4086000000; fi
`;

test('first boot, update, gate and way back do not mind', async (t) => {
  const device = await Device.create();
  try {
    const shim = path.join(device.host.root, 'usr/local/bin/date');
    await writeFile(shim, leapingDate);
    await chmod(shim, 0o755);
    const { stdout } = await device.host.exec('date +%s; date +%s; date -u +%Y');
    t.is(stdout, '86400\n4086000000\n1970');

    const first = await device.bake(release('1.0.0'));
    const boot = await device.run('boot');
    t.is(boot.status, 0, boot.output);
    t.is((await device.inventory()).currentId, first);
    const update = await device.rollout(release('1.1.0'));
    t.is(update.status, 0, update.output);
    t.is(await device.answer(), '1.1.0');

    const begun = performance.now();
    const never = [['http', 'http://127.0.0.1:8080/nothing', '200']];
    const failed = await device.rollout(release('1.2.0', { timeoutSeconds: 3, services: [{ name: 'web', content: '1.2.0', port: 8080, probes: never }] }));
    t.is(failed.status, 4, failed.output);
    t.deepEqual(failed.codes, ['E_GATE']);
    const tookMs = performance.now() - begun;
    t.true(tookMs > 3_000 && tookMs < 90_000, `the gate waited as long as it should, and no longer: ${tookMs} ms`);
    t.is(await device.answer(), '1.1.0');
    t.is((await device.run('rollback')).status, 0);
    t.is(await device.answer(), '1.0.0');
  } finally {
    await device.destroy();
  }
});
