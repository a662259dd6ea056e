import test from 'ava';
import { devicePaths } from '../../src/device/files.ts';
import { Device, type Run } from '../device/device.ts';
import type { SampleRelease } from '../device/sample-release.ts';
import type { ThrowawayHostOptions } from '../support/throwaway-host.ts';

/** What a device keeps, on both image stores. Needs root, Linux, dockerd; fails without. */
const mebibyte = 2 ** 20;

function release(version: string, retention?: SampleRelease['retention'], more: Partial<SampleRelease> = {}): SampleRelease {
  return {
    version,
    services: [{ name: 'web', content: version, paddingMiB: 8, file: `version = ${version}\n` }],
    ...(retention ? { retention } : {}),
    ...more,
  };
}

interface Kept {
  readonly releases: readonly string[];
  readonly images: number;
  readonly files: number;
}

async function kept(device: Device): Promise<Kept> {
  const count = async (command: string) => Number((await device.host.exec(`${command} | wc -l`)).stdout);
  const { releases } = await device.inventory();
  return {
    releases: releases.map(({ version }) => version).sort(),
    images: await count('docker image ls -q sample/web'),
    files: await count(`ls ${devicePaths.filesDirectory}`),
  };
}

function keeps(...releases: string[]): Kept {
  return { releases, images: releases.length, files: releases.length };
}

async function withDevice(options: ThrowawayHostOptions, work: (device: Device, ship: (release: SampleRelease) => Promise<Run>) => Promise<void>): Promise<void> {
  const device = await Device.create(options);
  const ship = async (one: SampleRelease) => {
    const run = await device.rollout(one);
    if (run.status !== 0) throw new Error(run.output);
    return run;
  };
  try {
    await work(device, ship);
  } finally {
    await device.destroy();
  }
}

test.serial('keeps as many as the release says, the newest ones, and all where it says nothing', async (t) => {
  t.timeout(120_000);
  await withDevice({}, async (device, ship) => {
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) await ship(release(version));
    t.deepEqual(await kept(device), keeps('1.0.0', '1.1.0', '1.2.0'));
    // A rollback is a commit, too: 1.0.0 is the newest then.
    const first = (await device.inventory()).releases.find(({ version }) => version === '1.0.0');
    t.is((await device.run(`rollback ${first?.id ?? ''}`)).status, 0);
    // Never ran here: no way back leads there.
    t.is((await device.run(`prepare ${await device.upload(release('1.9.0'))}`)).status, 0);
    const failing = release('1.8.0', undefined, { timeoutSeconds: 1, services: [{ name: 'web', content: '1.8.0', command: ['/bin/false'] }] });
    t.is((await device.rollout(failing)).status, 4);
    const run = await ship(release('1.3.0', [3, 0]));
    t.regex(run.output, /removed release 1\.1\.0-/);
    t.deepEqual(await kept(device), keeps('1.0.0', '1.2.0', '1.3.0'));
    for (const [version, answer] of [['1.2.0', '1.2.0'], ['1.0.0', '1.0.0'], ['1.3.0', '1.3.0']] as const) {
      const { id = '' } = (await device.inventory()).releases.find((one) => one.version === version) ?? {};
      const back = await device.run(`rollback ${id}`);
      t.is(back.status, 0, back.output);
      t.is((await device.host.exec('docker exec $(docker ps -q) /bin/busybox cat /www/version')).stdout, answer);
    }
    // By hand, with a release that says nothing again: the current and the previous one.
    await ship(release('1.4.0'));
    t.is((await device.run('prune')).status, 0);
    t.deepEqual(await kept(device), keeps('1.3.0', '1.4.0'));
  });
});

test.serial('what was pushed and waits for its rollout stays', async (t) => {
  t.timeout(60_000);
  await withDevice({}, async (device, ship) => {
    await ship(release('1.0.0', [2, 0]));
    const id = await device.upload(release('1.1.0', [2, 0]));
    t.is((await device.run(`prepare ${id}`)).status, 0);
    t.is((await device.run('prune')).status, 0);
    t.deepEqual(await kept(device), { releases: ['1.0.0', '1.1.0'], images: 2, files: 2 });
    t.is((await device.run(`rollout ${id}`)).status, 0);
  });
});

test.serial('a way back over two formats of the data puts back the copy of the right one', async (t) => {
  t.timeout(60_000);
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
    t.timeout(120_000);
    await withDevice({ store }, async (device, ship) => {
      const budget = Math.round(3 * ownBytes + 6 * mebibyte);
      for (const version of ['1.0.0', '1.1.0', '1.2.0']) await ship(release(version, [9, budget]));
      t.deepEqual(await kept(device), keeps('1.0.0', '1.1.0', '1.2.0'));
      const run = await ship(release('1.3.0', [9, budget]));
      t.regex(run.output, /release 1\.0\.0-\w+ does not fit the budget/);
      t.regex(run.output, new RegExp(`kept releases take \\d+ of ${budget} bytes`));
      t.deepEqual(await kept(device), keeps('1.1.0', '1.2.0', '1.3.0'));
      const least = await ship(release('1.4.0', [9, mebibyte]));
      t.regex(least.output, /warning\tkept releases take \d+ bytes, more than the budget of 1048576; only what is needed is left: 1\.4\.0-\w+ 1\.3\.0-\w+/);
      t.deepEqual(await kept(device), keeps('1.3.0', '1.4.0'));
      t.is((await device.run('rollback')).status, 0);
    });
  });
}

test.serial('images without a name go when they are of a release, and stay when they are not', async (t) => {
  t.timeout(60_000);
  await withDevice({}, async (device, ship) => {
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) await ship(release(version));
    const images = async () => (await device.host.exec('docker image ls --quiet --filter dangling=true | wc -l')).stdout;
    // The name of the first release's image goes to another image; and somebody's own image has no name.
    await device.host.exec(`set -e; cd ${devicePaths.releasesDirectory}/1.0.0-*
      reference=$(awk '$1 == "image" { print $3 }' plans/*.plan)
      echo own >/tmp/own; own=$(tar -C /tmp -c own | docker import -)
      docker tag "$own" "$reference"; tar -C /tmp -c own | docker import - >/dev/null`);
    t.is(await images(), '2');
    const run = await device.run('prune');
    t.is(run.status, 0, run.output);
    t.regex(run.output, /removed image sha256:\w+, which had no name/);
    t.is(await images(), '1');
    t.deepEqual((await kept(device)).releases, ['1.1.0', '1.2.0']);
  });
});
