import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { createContext } from '../../../src/context.ts';
import { withDevice } from '../../../src/ship/device.ts';
import { updateFleet } from '../../../src/ship/fleet/update-fleet.ts';
import { provisionTasks } from '../../../src/ship/provision.ts';
import { runTasks } from '../../../src/tasks.ts';
import { createThrowawayHost, type ThrowawayHost } from '../../support/hosts/throwaway-host.ts';
import { packedRelease } from '../../support/releases/packed-release.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** What a wave of hosts costs the disk of the laptop. Needs root, Linux, dockerd, sshd; fails without. */
const sizeBytes = 48 * 1024 ** 2;
const names = ['one', 'two', 'three'];

/** By this process, from files and from sockets. */
async function readBytes(): Promise<number> {
  return Number(/^rchar: (\d+)$/m.exec(await readFile('/proc/self/io', 'utf8'))![1]);
}

test('what three hosts are sent is hashed once and read once', async (t) => {
  t.timeout(3 * 60_000);
  const release = await packedRelease([{ 'etc/base': randomBytes(sizeBytes) }]);
  const hosts: ThrowawayHost[] = [];
  try {
    for (const name of names) hosts.push(await createThrowawayHost({ name }));
    const config = path.join(await temporaryDirectory('read-once'), 'ssh_config');
    await writeFile(config, (await Promise.all(hosts.map(({ sshConfigFile }) => readFile(sshConfigFile, 'utf8')))).join('\n'));
    const context = createContext({ environment: { ...process.env, PROSE_SHIP_SSH_CONFIG: config } });
    for (const host of hosts) {
      await host.exec('mkdir -p /etc/prose-ship && echo linux/arm64 >/etc/prose-ship/platforms');
      await withDevice(context, { name: host.name, address: host.name }, {}, (device) => runTasks(context, provisionTasks(device)));
    }
    const before = await readBytes();
    const outcomes = await updateFleet(context, {
      hosts: names.map((name) => ({ name, address: name })),
      ...{ release, rollout: false, connect: {}, waveSize: names.length, title: (plan) => plan.host },
    });
    const read = (await readBytes()) - before;
    t.deepEqual(outcomes.map(({ host, state }) => [host, state]), names.map((name) => [name, 'pushed']));
    t.log(`${(read / sizeBytes).toFixed(2)} times what there is`);
    t.true(read > 1.9 * sizeBytes && read < 2.5 * sizeBytes, `${read} bytes for ${sizeBytes}`);
    // The updater has proven the checksums of what arrived.
    for (const host of hosts) t.is((await host.exec('docker images -q')).stdout.split('\n').filter(Boolean).length, 1);
  } finally {
    await Promise.all(hosts.map((host) => host.destroy()));
  }
});
