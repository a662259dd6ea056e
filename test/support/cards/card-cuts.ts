import { execFileSync, spawnSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import type { BootedDevice } from '../../../src/bake/boot/device.ts';
import { readPartitionTable } from '../../../src/bake/disk/partition-table.ts';
import { openDiskFile } from '../../../src/bake/disk/disk-file.ts';
import { proseShip, type CommandLineResult } from '../command-line.ts';

/** States of a rollout from first to last (docs/internals/device.md). */
const states = ['uploaded', 'verified', 'loaded', 'synced', 'stopped', 'snapshotted', 'started', 'gated', 'committed'] as const;
export type State = (typeof states)[number];

/** Pulls the plug as soon as the journal says that a release has come so far, or further. @returns what it said then */
export async function cutAtState(device: BootedDevice, releaseId: string, state: State): Promise<string> {
  const reached = states.slice(states.indexOf(state)).join('|');
  const journal = '/var/lib/prose-ship/journal';
  const script = `until grep -q "^id	${releaseId}$" ${journal} && grep -qE "^state	(${reached})$" ${journal}; do sleep 0.1; done; sed -n 's/^state	//p' ${journal}`;
  await device.waitForSsh();
  const { stdout } = await device.exec(['sh', '-c', script], { sudo: true, timeoutMs: 600_000 });
  await device.powerCut();
  return stdout.trim();
}

/** `prose-ship ARGS` against the device, whose host key is taken over from the boot's own login. */
export async function shipTo(device: BootedDevice, args: readonly string[]): Promise<CommandLineResult> {
  return proseShip(args, { environment: { PROSE_SHIP_SSH_CONFIG: path.join(device.directory, 'ssh_config') } });
}

/** Shuts the device down in order and lets e2fsck judge its root file system. */
export async function assertCleanCard(t: ExecutionContext, device: BootedDevice, card: string): Promise<void> {
  await device.shutdown();
  const raw = `${card}.raw`;
  try {
    execFileSync('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', path.join(device.directory, 'card.qcow2'), raw]);
    const disk = await openDiskFile(raw);
    const { partitions } = await readPartitionTable(disk);
    await disk.close();
    const root = partitions.at(-1)!;
    t.true(disk.sizeBytes - root.startBytes - root.sizeBytes < 16 * 1024 ** 2);
    const { status, stdout, stderr } = spawnSync('e2fsck', ['-f', '-n', `${raw}?offset=${root.startBytes}`], { encoding: 'utf8' });
    t.is(status, 0, `${stdout}${stderr}`);
  } finally {
    await rm(raw, { force: true });
  }
}
