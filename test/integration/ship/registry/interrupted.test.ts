import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import { pullCommand } from '../../../../src/ship/registry/pull.ts';
import { entry, node } from '../../../support/command-line.ts';
import { packedRelease } from '../../../support/releases/packed-release.ts';
import { listeners, pulled, pullingHost } from '../../../support/hosts/pulling-host.ts';

/** Pulls through the SSH login that end before their time. Needs root, Linux, dockerd, sshd, python3. */
const mebibyte = 1024 * 1024;

for (const [store, signal] of [['overlay2', 'SIGKILL'], ['containerd', 'SIGINT']] as const) {
  test(`${store}: a pull that ${signal} ended on the laptop leaves nothing that listens, and the next one succeeds`, async (t) => {
    const { host, environment, cwd, ship } = await pullingHost(t, store);
    try {
      await host.exec('mkdir -p /etc/prose-ship && echo linux/arm64 >/etc/prose-ship/platforms');
      const { directory } = await packedRelease([{ 'etc/base': randomBytes(24 * mebibyte) }, { 'app/version': '1\n' }]);
      const push = ['push', 'pulls', '--transport', 'registry', '--release', directory];
      const device = / dev (\S+)/.exec((await execa('ip', ['route', 'get', host.address])).stdout)?.[1] ?? '';
      const sentBytes = async () => Number(await readFile(`/sys/class/net/${device}/statistics/tx_bytes`, 'utf8'));
      const before = await listeners(host);
      const start = await sentBytes();
      const killed = execa(node, [entry, ...push, '--limit-rate', '20'], { reject: false, env: { CI: '1', ...environment }, cwd });
      let waited = 0;
      while ((await sentBytes()) - start < 14 * mebibyte && waited++ < 400) await delay(50);
      const [address, ...more] = (await listeners(host)).filter((one) => !before.includes(one));
      t.deepEqual(more, []);
      t.regex(address ?? '', /^127\.0\.0\.1:\d+$/, 'the host alone reaches it');
      // Another user of the host finds nothing there that he could change, or name.
      const asked = async (...curl: string[]) => (await host.exec(['setpriv', '--reuid=65534', '--clear-groups', 'curl', '-s', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}', ...curl])).stdout;
      t.is(await asked(`http://${address ?? ''}/v2/`), '200');
      t.is(await asked(`http://${address ?? ''}/v2/_catalog`), '404');
      t.is(await asked('-X', 'PUT', '-d', 'x', `http://${address ?? ''}/v2/server/manifests/latest`), '405');
      killed.kill(signal);
      t.is((await killed).exitCode, signal === 'SIGINT' ? 130 : undefined);
      for (let attempts = 0; attempts < 100 && (await listeners(host)).length > before.length; attempts++) await delay(50);
      t.deepEqual(await listeners(host), before);
      t.is((await host.exec('docker images --format "{{.Repository}}:{{.Tag}}"')).stdout, '', 'no name stands for a half-fetched image');

      const middle = await sentBytes();
      const again = await ship(...push);
      t.regex(pulled(t, again), /^[12] of 2 layers fetched/);
      const crossed = (await sentBytes()) - middle;
      t.log(`${store}: ${crossed} bytes the second time, of ${24 * mebibyte}`);
      // The containerd store keeps what it has of a blob; overlay2 begins again.
      if (store === 'containerd') t.true(crossed < 16 * mebibyte, String(crossed));
      t.is((await host.exec('docker images -q')).stdout.split('\n').length, 1);

      // A link that is dead without anybody having said so: nothing comes from this side any more.
      await host.exec("python3 -c 'import socket, time; s = socket.create_server((\"127.0.0.1\", 5555)); time.sleep(120)' >/dev/null 2>&1 & sleep 0.5");
      const command = pullCommand(`127.0.0.1:5555/mute/server@sha256:${'0'.repeat(64)}`, 'example/mute:1', [], { silenceSeconds: 2 });
      const startedAt = performance.now();
      const left = await host.exec(['sh', '-c', 'mkfifo /tmp/still; sleep 60 >/tmp/still & "$@" </tmp/still; status=$?; kill $!; exit $status', 'sh', ...command], { timeoutMs: 40_000 });
      t.is(left.exitCode, 143, left.stderr);
      t.true(performance.now() - startedAt < 20_000);
      t.is((await host.exec('pgrep -fc "docker pul[l]"; flock -n /var/lib/prose-ship/pull.lock true && echo free')).stdout, '0\nfree');
    } finally {
      await host.destroy();
    }
  });
}
