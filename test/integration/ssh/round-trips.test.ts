import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { packedRelease } from '../../support/releases/packed-release.ts';
import { createThrowawayHost } from '../../support/hosts/throwaway-host.ts';
import { Line } from '../../support/long-line/line.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { createContext } from '../../../src/context.ts';
import { withDevice } from '../../../src/ship/device.ts';
import { provisionTasks } from '../../../src/ship/provision.ts';
import { prepareUpdate, updateTasks } from '../../../src/ship/update.ts';
import { runTasks } from '../../../src/tasks.ts';

/** What runs at the same time must not look as if one followed the other. */
const roundTripMs = 100;
/** The login takes five of them without TCP's own, what is asked with it two, and all that follows one or two. */
const mostRoundTrips = 16;

test('a push over a long line takes few round trips', async (t) => {
  t.timeout(120_000);
  const host = await createThrowawayHost({ name: 'far-away' });
  try {
    await using line = await Line.to({ host: host.address, port: 22, mbitPerSecond: 1000 });
    const sshConfig = path.join(await temporaryDirectory('long-line'), 'ssh_config');
    const direct = await readFile(host.sshConfigFile, 'utf8');
    await writeFile(sshConfig, direct.replace(/HostName .*/, `HostName 127.0.0.1\n  Port ${line.port}\n  HostKeyAlias ${host.address}`));
    const context = createContext({ environment: { ...process.env, PROSE_SHIP_SSH_CONFIG: sshConfig } });
    await host.exec('mkdir -p /etc/prose-ship && echo linux/arm64 >/etc/prose-ship/platforms');
    await withDevice(context, { name: 'far-away', address: 'far-away' }, {}, (device) => runTasks(context, provisionTasks(device)));
    await line.setRoundTrip(roundTripMs);
    const release = await packedRelease([{ 'app/content': randomBytes(100_000) }]);
    const before = await line.state();
    await withDevice(context, { name: 'far-away', address: 'far-away' }, { asksInventory: true }, async (device) => {
      const prepared = await prepareUpdate(device, release);
      await runTasks(context, updateTasks(context, device, release, prepared, { rollout: false }));
    });
    const roundTrips = (await line.state()).roundTrips - before.roundTrips;
    t.log(`${roundTrips} round trips`);
    t.true(roundTrips > 8 && roundTrips < mostRoundTrips, `${roundTrips} round trips`);
    t.not((await host.exec('docker images -q')).stdout, '');
  } finally {
    await host.destroy();
  }
});
