import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { entry, node, proseShip, type CommandLineResult } from '../support/command-line.ts';
import { packedRelease } from '../support/packed-release.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { createThrowawayHost, type ThrowawayHost } from '../support/throwaway-host.ts';
import { webRelease } from '../support/web-release.ts';

/** Images pulled by the host's engine through the SSH login. Needs root, Linux, dockerd, sshd. */
const mebibyte = 1024 * 1024;
const stores = ['overlay2', 'containerd'] as const;

interface Shipping {
  readonly host: ThrowawayHost;
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly ship: (...args: string[]) => Promise<CommandLineResult>;
}

async function provisioned(t: ExecutionContext, store: (typeof stores)[number]): Promise<Shipping> {
  const host = await createThrowawayHost({ name: 'pulls', store });
  const environment = { PROSE_SHIP_SSH_CONFIG: host.sshConfigFile };
  const cwd = await temporaryDirectory('registry-transport');
  const ship = (...args: string[]) => proseShip(args, { environment, cwd });
  const { exitCode, stderr } = await ship('provision', 'pulls');
  t.is(exitCode, 0, stderr);
  return { host, environment, cwd, ship };
}

/** What the task that pulled said at its end. */
function pulled(t: ExecutionContext, { exitCode, stdout, stderr }: CommandLineResult): string {
  t.is(exitCode, 0, stderr);
  return /"title":"Pull images through the tunnel","state":"(?:done|skipped)"[^\n]*?"detail":"([^"]*)"/.exec(stdout)?.[1] ?? stdout;
}

async function listeners(host: ThrowawayHost): Promise<readonly string[]> {
  return (await host.exec('ss -Hltn')).stdout.split('\n').map((line) => line.trim().split(/\s+/)[3] ?? '').sort();
}

for (const store of stores) {
  test(`${store}: pulls what is missing, proves it, and deltas go on by either way`, async (t) => {
    const { host, ship } = await provisioned(t, store);
    try {
      const directory = await temporaryDirectory('releases');
      const release = async (version: string) => (await webRelease(directory, { version, port: 8080 })).directory;
      const before = await listeners(host);
      const first = await ship('update', 'pulls', '--transport', 'registry', '--release', await release('1.0.0'));
      t.regex(pulled(t, first), /^2 of 2 layers fetched/);
      t.is((await host.exec('curl -s http://127.0.0.1:8080/version')).stdout, '1.0.0');
      t.deepEqual((await listeners(host)).filter((address) => !address.endsWith(':8080')), before, 'nothing of ours listens afterwards');
      t.is((await host.exec("docker images --digests --format '{{.Repository}}' | grep 127.0.0.1")).stdout, '', 'the name it was pulled under is gone');

      const again = await ship('push', 'pulls', '--transport', 'registry', '--release', await release('1.0.0'));
      t.is(pulled(t, again), 'all are on the host already');
      const second = await ship('update', 'pulls', '--transport', 'registry', '--release', await release('1.1.0'));
      t.regex(pulled(t, second), /^1 of 2 layers fetched/);
      t.is((await host.exec('curl -s http://127.0.0.1:8080/version')).stdout, '1.1.0');

      // What was pulled counts for an archive: its blobs are filed under their diffIDs.
      const plan = await ship('push', 'pulls', '--dry-run', '--release', await release('1.2.0'));
      const [{ plan: planned }] = plan.result['hosts'] as [{ plan: { images: { layers: number; sentLayers: number }[] } }];
      t.like(planned.images[0], { layers: 2, sentLayers: 1 });
      const sent = await ship('update', 'pulls', '--release', await release('1.2.0'));
      t.is(sent.exitCode, 0, sent.stderr);
      t.is((await host.exec('curl -s http://127.0.0.1:8080/version')).stdout, '1.2.0');

      await host.exec("sed -i '1iAllowTcpForwarding no' /etc/ssh/throwaway/sshd_config && kill -HUP $(cat /run/sshd.pid)");
      for (let attempts = 0; attempts < 100 && (await ship('status', 'pulls')).exitCode !== 0; attempts++) await delay(50);
      const refused = await ship('push', 'pulls', '--transport', 'registry', '--release', await release('1.3.0'));
      t.is(refused.exitCode, 3, refused.stderr);
      const error = refused.result['error'] as { code: string; remedy: string };
      t.is(error.code, 'E_TUNNEL_REFUSED');
      t.regex(error.remedy, /--transport sftp/);
      t.is((await host.exec('ls /var/lib/prose-ship/incoming')).stdout, '', 'nothing was touched');
    } finally {
      await host.destroy();
    }
  });

  test(`${store}: a pull whose laptop was killed leaves nothing that listens, and the next one succeeds`, async (t) => {
    const { host, environment, cwd, ship } = await provisioned(t, store);
    try {
      await host.exec('mkdir -p /etc/prose-ship && echo linux/arm64 >/etc/prose-ship/platforms');
      const { directory } = await packedRelease([{ 'etc/base': randomBytes(24 * mebibyte) }, { 'app/version': '1\n' }]);
      const push = ['push', 'pulls', '--transport', 'registry', '--release', directory];
      const device = / dev (\S+)/.exec((await execa('ip', ['route', 'get', host.address])).stdout)?.[1] ?? '';
      const sentBytes = async () => Number(await readFile(`/sys/class/net/${device}/statistics/tx_bytes`, 'utf8'));
      const before = await listeners(host);
      const start = await sentBytes();
      const killed = execa(node, [entry, ...push, '--limit-rate', '40'], { reject: false, env: { CI: '1', ...environment }, cwd });
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
      killed.kill('SIGKILL');
      await killed;
      for (let attempts = 0; attempts < 100 && (await listeners(host)).length > before.length; attempts++) await delay(50);
      t.deepEqual(await listeners(host), before);

      const middle = await sentBytes();
      const again = await ship(...push);
      t.regex(pulled(t, again), /^[12] of 2 layers fetched/);
      const crossed = (await sentBytes()) - middle;
      t.log(`${store}: ${crossed} bytes the second time, of ${24 * mebibyte}`);
      // The containerd store keeps what it has of a blob; overlay2 begins again.
      if (store === 'containerd') t.true(crossed < 16 * mebibyte, String(crossed));
      t.is((await host.exec('docker images -q')).stdout.split('\n').length, 1);
    } finally {
      await host.destroy();
    }
  });
}
