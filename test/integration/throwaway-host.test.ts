import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { createContext } from '../../src/context.ts';
import { run, type RunResult } from '../../src/host/process.ts';
import { createThrowawayHost, type ThrowawayHost } from '../support/hosts/throwaway-host.ts';
import { stateDirectory } from '../support/hosts/throwaway-state.ts';

/** Runs a script through the real ssh client; 255 is its own failure. */
async function ssh(host: ThrowawayHost, script: string, options: string[] = []): Promise<RunResult> {
  const args = ['-F', host.sshConfigFile, '-o', 'ConnectTimeout=2', ...options, host.name, script];
  return await run(createContext(), { program: 'ssh', args }, { expect: [255], timeoutMs: 30_000 });
}

for (const store of ['overlay2', 'containerd'] as const) {
  test.serial(`a host whose engine has the ${store} image store comes up, keeps its disk over a reboot, and goes`, async (t) => {
    const host = await createThrowawayHost({ store, diskMiB: 256 });
    t.teardown(() => host.destroy());
    const driver = await host.exec(['docker', 'info', '--format', '{{.Driver}} {{.DriverStatus}}']);
    t.regex(driver.stdout, store === 'overlay2' ? /^overlay2 / : /^overlayfs .*io\.containerd\.snapshotter/);
    t.is((await ssh(host, 'hostname && id -u')).stdout, `${host.name}\n0`);

    await host.exec('echo kept >/var/lib/prose-ship/kept; echo kept >/etc/kept; echo lost >/run/lost');
    await host.reboot();
    t.is((await host.exec('cat /var/lib/prose-ship/kept /etc/kept')).stdout, 'kept\nkept');
    t.is((await host.exec('cat /run/lost')).exitCode, 1);
    t.is(await readFile(path.join(host.root, 'etc/kept'), 'utf8'), 'kept\n');
    t.false(existsSync('/etc/kept'), 'nothing of it is on this machine');
    t.is((await ssh(host, 'docker version --format {{.Server.Version}}')).exitCode, 0);

    const { root } = host;
    await host.destroy();
    t.false(existsSync(root));
    const left = (await readdir(stateDirectory())).filter((name) => name.startsWith(`prose-ship-host-${process.pid}-`));
    t.deepEqual(left, []);
  });
}

test.serial('a host has one disk that can be full, a cable that can be pulled, and users with and without sudo', async (t) => {
  const host = await createThrowawayHost({ engine: false, diskMiB: 64 });
  t.teardown(() => host.destroy());
  await host.addUser('pi', { sudo: true });
  await host.addUser('guest');
  t.is((await ssh(host, 'sudo -n id -u', ['-l', 'pi'])).stdout, '0');
  t.is((await host.exec(['su', 'guest', '-c', 'sudo -n id -u'])).exitCode, 1);
  t.is((await ssh(host, 'id -un', ['-l', 'guest'])).stdout, 'guest');

  await host.fillDisk(4);
  t.regex((await host.exec('head -c 8M /dev/zero >/var/lib/prose-ship/file')).stderr, /No space left/);
  await host.fillDisk(undefined);
  t.is((await host.exec('head -c 8M /dev/zero >/var/lib/prose-ship/file')).exitCode, 0);

  await host.setLinkUp(false);
  t.is((await ssh(host, 'true')).exitCode, 255);
  await host.setLinkUp(true);
  t.is((await ssh(host, 'true')).exitCode, 0);
});

test.serial('a shaped link has the speed that was asked for', async (t) => {
  const host = await createThrowawayHost({ engine: false });
  t.teardown(() => host.destroy());
  const seconds = async (): Promise<number> => {
    const startedAt = performance.now();
    await run(
      createContext(),
      { program: 'ssh', args: ['-F', host.sshConfigFile, host.name, 'cat >/dev/null'] },
      { input: new Uint8Array(2_000_000), timeoutMs: 60_000 },
    );
    return (performance.now() - startedAt) / 1000;
  };
  await host.shapeLink({ mbitPerSecond: 8 });
  const shaped = await seconds();
  t.true(shaped > 1.6, `2 MB at 8 Mbit/s took ${shaped} s`);
  await host.shapeLink(undefined);
  t.true((await seconds()) < shaped);
});

test.serial('a host reaches nothing but this machine, and its host key is checked', async (t) => {
  const host = await createThrowawayHost({ engine: false });
  t.teardown(() => host.destroy());
  t.is((await host.exec('ip route show default')).stdout, '');
  t.false((await host.exec('ls /run')).stdout.includes('docker.sock'));
  const stranger = await ssh(host, 'true', ['-o', 'UserKnownHostsFile=/dev/null']);
  t.is(stranger.exitCode, 255);
  t.regex(stranger.stderr, /Host key verification failed/);
});
