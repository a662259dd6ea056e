import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { listeners, pulled, pullingHost, stores } from '../../../support/hosts/pulling-host.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { webRelease } from '../../../support/releases/web-release.ts';

/** Images pulled by the host's engine through the SSH login. Needs root, Linux, dockerd, sshd. */
for (const store of stores) {
  test(`${store}: pulls what is missing, proves it, and deltas go on by either way`, async (t) => {
    const { host, ship } = await pullingHost(t, store);
    try {
      const directory = await temporaryDirectory('releases');
      const release = async (version: string) => (await webRelease(directory, { version, port: 8080 })).directory;
      const before = await listeners(host);
      t.is((await host.exec('grep -c _prose-ship._tcp /etc/avahi/services/prose-ship.service')).stdout, '1', 'where Avahi is, provisioning lets it announce the host');
      const loaded = await ship('push', 'pulls', '--release', await release('0.9.0'));
      t.is(loaded.exitCode, 0, loaded.stderr);
      const first = await ship('update', 'pulls', '--transport', 'registry', '--release', await release('1.0.0'));
      t.log(store, pulled(t, first));
      // overlay2 knows no digests of layers that it did not pull, so what came as an archive is fetched again.
      t.true(pulled(t, first).startsWith(store === 'overlay2' ? '2 of 2 layers fetched' : '1 of 2 layers fetched'));
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
}
