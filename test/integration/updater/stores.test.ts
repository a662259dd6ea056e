import test from 'ava';
import { Device } from '../../device/device.ts';
import type { SampleRelease, SampleService } from '../../device/sample-release.ts';

function release(version: string, more: Partial<SampleService> = {}): SampleRelease {
  return {
    version,
    services: [{ name: 'web', content: version, port: 8080, probes: [['http', 'http://127.0.0.1:8080/version', '200']], ...more }],
  };
}

for (const store of ['containerd', 'overlay2'] as const) {
  test.serial(`${store}: loads, updates, and survives a full disk`, async (t) => {
    const device = await Device.create({ store, diskMiB: 160 });
    try {
      const first = await device.bake(release('1.0.0'));
      const boot = await device.run('boot');
      t.is(boot.status, 0, boot.output);
      t.is((await device.inventory()).currentId, first);
      t.is(await device.answer(), '1.0.0', 'the first boot of a card is a rollout from nothing');
      const second = await device.rollout(release('1.1.0'));
      t.is(second.status, 0, second.output);
      const inventory = await device.inventory();
      t.is(inventory.store, store);
      t.deepEqual(inventory.chains.map(({ diffIds }) => diffIds.length), [2, 2]);
      t.true(inventory.freeBytes > 0 && inventory.engineFreeBytes > 0);

      // Only what the disk holds may be left out of an archive: a layer whose blob is gone is not spoken of.
      const blobs = '/var/lib/docker/containerd/daemon/io.containerd.content.v1.content/blobs/sha256';
      for (const layer of store === 'containerd' ? inventory.chains[0]!.diffIds : []) {
        const blob = `${blobs}/${layer.slice('sha256:'.length)}`;
        t.is((await device.host.exec(`mv ${blob} /blob`)).exitCode, 0);
        t.false((await device.inventory()).chains.some(({ diffIds }) => diffIds.includes(layer)));
        await device.host.exec(`mv /blob ${blob}`);
        t.deepEqual((await device.inventory()).chains, inventory.chains);
      }

      // Known beforehand: the sender said how much is in the archive.
      await device.host.fillDisk(24);
      const large = await device.upload(release('2.0.0', { paddingMiB: 48, sizeHint: true }));
      const refused = await device.run(`rollout ${large}`);
      t.is(refused.status, 3, refused.output);
      t.regex(refused.output, /E_DISK_FULL\tloading needs about/);

      // Found out only while loading: zeros shrink to nothing, so the archive does not look large.
      const surprising = await device.upload(release('2.1.0', { paddingMiB: 48 }));
      const failed = await device.run(`rollout ${surprising}`);
      t.is(failed.status, 3, failed.output);
      t.regex(failed.output, /E_DISK_FULL\tthe disk became full/);
      t.is(await device.answer(), '1.1.0');
      t.is((await device.inventory()).chains.length, 2, 'nothing half-loaded stays');

      await device.host.fillDisk(undefined);
      const again = await device.run(`rollout ${surprising}`);
      t.is(again.status, 0, again.output);
      t.is(await device.answer(), '2.1.0');
    } finally {
      await device.destroy();
    }
  });
}
