import test from 'ava';
import type { SampleRelease } from '../../../device/sample-release.ts';
import { keeps, kept, release, withDevice } from '../../../device/retention.ts';

/** What kept releases take of the disk, on both image stores, and what they hold. Needs root, Linux, dockerd; fails without. */
const mebibyte = 2 ** 20;

function large(version: string, budgetBytes: number): SampleRelease {
  const plain = release(version, [9, budgetBytes]);
  return { ...plain, services: plain.services.map((service) => ({ ...service, paddingMiB: 8 })) };
}

test.serial('a way back over two formats of the data puts back the copy of the right one', async (t) => {
  t.timeout(180_000);
  await withDevice({}, async (device, ship) => {
    const writing = (version: string, dataVersion: number) => {
      const command = ['/bin/sh', '-c', `echo ${dataVersion} >>/data/formats; exec /bin/busybox sleep 100000`];
      return release(version, [3, 0], { dataVersion, services: [{ name: 'web', content: version, command }] });
    };
    const formats = async () => (await device.host.exec('cat /var/lib/docker/volumes/sample_data/_data/formats')).stdout;
    for (const [version, dataVersion] of [['1.0.0', 1], ['2.0.0', 2], ['3.0.0', 3]] as const) await ship(writing(version, dataVersion));
    t.is(await formats(), '1\n2\n3');
    const { id = '' } = (await device.inventory()).releases.find(({ version }) => version === '1.0.0') ?? {};
    const back = await device.run(`rollback ${id}`);
    t.is(back.status, 0, back.output);
    t.is(await formats(), '1\n1');
  });
});

for (const store of ['overlay2', 'containerd'] as const) {
  // A release has 8 MiB of its own, which the containerd store keeps twice, and shares a base of a megabyte.
  const ownBytes = (store === 'containerd' ? 17 : 8.2) * mebibyte;
  test.serial(`a disk budget takes the oldest first and stops at the previous one: ${store}`, async (t) => {
    t.timeout(180_000);
    await withDevice({ store }, async (device, ship) => {
      const budget = Math.round(3 * ownBytes + 6 * mebibyte);
      for (const version of ['1.0.0', '1.1.0', '1.2.0']) await ship(large(version, budget));
      t.deepEqual(await kept(device), keeps('1.0.0', '1.1.0', '1.2.0'));
      const run = await ship(large('1.3.0', budget));
      t.regex(run.output, /release 1\.0\.0-\w+ does not fit the budget/);
      t.regex(run.output, new RegExp(`kept releases take \\d+ of ${budget} bytes`));
      t.deepEqual(await kept(device), keeps('1.1.0', '1.2.0', '1.3.0'));
      const least = await ship(large('1.4.0', mebibyte));
      t.regex(least.output, /warning\tkept releases take \d+ bytes, more than the budget of 1048576; only what is needed is left: 1\.4\.0-\w+ 1\.3\.0-\w+/);
      t.deepEqual(await kept(device), keeps('1.3.0', '1.4.0'));
      t.is((await device.run('rollback')).status, 0);
    });
  });
}
