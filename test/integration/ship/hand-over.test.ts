import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { devicePaths } from '../../../src/device/files.ts';
import { createContext, type Context } from '../../../src/context.ts';
import { withDevice, type Device } from '../../../src/ship/device.ts';
import { handOver } from '../../../src/ship/hand-over.ts';
import { provisionTasks } from '../../../src/ship/provision.ts';
import { prepareUpdate, updateTasks } from '../../../src/ship/update.ts';
import { runTasks } from '../../../src/tasks.ts';
import { createThrowawayHost, type ThrowawayHost } from '../../support/hosts/throwaway-host.ts';
import { packedRelease } from '../../support/releases/packed-release.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** Small updates, which come with the command that starts the updater. Needs root, Linux, dockerd, sshd. */
let host: ThrowawayHost;
let context: Context;
const { incomingDirectory } = devicePaths;

test.before(async () => {
  host = await createThrowawayHost({ name: 'handed' });
  await host.addUser('carrier', { sudo: true });
  const config = path.join(await temporaryDirectory('hand-over'), 'ssh_config');
  await writeFile(config, (await readFile(host.sshConfigFile, 'utf8')).replace(/User .*/, 'User carrier'));
  context = createContext({ environment: { ...process.env, PROSE_SHIP_SSH_CONFIG: config } });
  await host.exec('mkdir -p /etc/prose-ship && echo linux/arm64 >/etc/prose-ship/platforms');
  await onHost((device) => runTasks(context, provisionTasks(device)));
});

test.after.always(() => host.destroy());

function onHost<T>(work: (device: Device) => Promise<T>): Promise<T> {
  return withDevice(context, { name: 'handed', address: 'handed' }, { asksInventory: true }, work);
}

async function push(release: Awaited<ReturnType<typeof packedRelease>>): Promise<string[]> {
  const said: string[] = [];
  const listening = { ...context, emit: (event: Parameters<Context['emit']>[0]) => void said.push(JSON.stringify(event)) };
  await withDevice(listening, { name: 'handed', address: 'handed' }, { asksInventory: true }, async (device) => {
    const prepared = await prepareUpdate(device, release);
    await runTasks(listening, updateTasks(listening, device, release, prepared, { rollout: false }));
  });
  return said;
}

test.serial('a login that is not root hands a small update over; nothing of it stays in the drop zone', async (t) => {
  const said = await push(await packedRelease([{ 'app/content': randomBytes(100_000) }]));
  t.true(said.some((line) => line.includes('prose-ship-arrived')));
  t.is((await host.exec('docker images -q')).stdout.split('\n').length, 1);
  t.is((await host.exec(`ls -A ${incomingDirectory}; stat -c %U ${incomingDirectory}`)).stdout, 'carrier');
});

test.serial('what lies there already is gone on with in the ordinary way', async (t) => {
  const release = await packedRelease([{ 'app/content': randomBytes(100_000) }]);
  await host.exec(`mkdir -m 700 -p ${incomingDirectory}/${release.manifest.id}/images/odd && touch ${incomingDirectory}/${release.manifest.id}/plans`);
  await push(release);
  t.is((await host.exec('docker images -q')).stdout.split('\n').length, 2);
  t.is((await host.exec(`ls -A ${incomingDirectory}`)).stdout, '');
});

test.serial('what cannot be unpacked was not handed over, and starts nothing', async (t) => {
  const before = (await host.exec(`ls ${devicePaths.stateDirectory}/log`)).stdout;
  const files = new Map([['platform', 'linux-arm64\n']]);
  const outcome = await onHost((device) => handOver(device, `${incomingDirectory}/not/there`, files, ['prepare', '1.0.0-0123456789ab']));
  t.is(outcome, undefined);
  t.is((await host.exec(`ls ${devicePaths.stateDirectory}/log`)).stdout, before);
});

test.serial('what the updater refuses is told as ever', async (t) => {
  const files = new Map([['platform', 'linux-arm64\n']]);
  const lines: string[] = [];
  const { exitCode } = await onHost(async (device) => {
    const begun = await handOver(device, `${incomingDirectory}/1.0.0-0123456789ab`, files, ['prepare', '1.0.0-0123456789ab']);
    return begun!.follow((line) => lines.push(line));
  });
  t.is(exitCode, 3);
  t.true(lines.some((line) => line.includes('error\tE_CHECKSUM')), lines.join('\n'));
});
