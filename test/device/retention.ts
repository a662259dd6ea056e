import { devicePaths } from '../../src/device/files.ts';
import type { ThrowawayHostOptions } from '../support/hosts/throwaway-host.ts';
import { Device, type Run } from './device.ts';
import type { SampleRelease } from './sample-release.ts';

/** A release of one service, whose image and rendered file no other release has. */
export function release(version: string, retention?: SampleRelease['retention'], more: Partial<SampleRelease> = {}): SampleRelease {
  return {
    version,
    services: [{ name: 'web', content: version, file: `version = ${version}\n` }],
    ...(retention ? { retention } : {}),
    ...more,
  };
}

/** What is left on a device. */
export interface Kept {
  readonly releases: readonly string[];
  readonly images: number;
  readonly files: number;
}

export async function kept(device: Device): Promise<Kept> {
  const count = async (command: string) => Number((await device.host.exec(`${command} | wc -l`)).stdout);
  const { releases } = await device.inventory();
  return {
    releases: releases.map(({ version }) => version).sort(),
    images: await count('docker image ls -q sample/web'),
    files: await count(`ls ${devicePaths.filesDirectory}`),
  };
}

export function keeps(...releases: string[]): Kept {
  return { releases, images: releases.length, files: releases.length };
}

/** `ship` rolls a release out, which must succeed. */
export async function withDevice(options: ThrowawayHostOptions, work: (device: Device, ship: (release: SampleRelease) => Promise<Run>) => Promise<void>): Promise<void> {
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
