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

/** Runs `harm` on the device as soon as the journal says that a release has come so far, or further. @returns what it said then */
async function harmAtState(device: BootedDevice, { releaseId, state, harm }: { releaseId: string; state: State; harm: string }): Promise<string> {
  const reached = states.slice(states.indexOf(state)).join('|');
  const journal = '/var/lib/prose-ship/journal';
  const script = `until grep -q "^id	${releaseId}$" ${journal} && grep -qE "^state	(${reached})$" ${journal}; do sleep 0.1; done; ${harm}; sed -n 's/^state	//p' ${journal}`;
  await device.waitForSsh();
  const { stdout } = await device.exec(['sh', '-c', script], { sudo: true, timeoutMs: 600_000 });
  return stdout.trim();
}

/** Pulls the plug as soon as a release has come so far, or further. @returns how far it was */
export async function cutAtState(device: BootedDevice, releaseId: string, state: State): Promise<string> {
  const cutAt = await harmAtState(device, { releaseId, state, harm: ':' });
  await device.powerCut();
  return cutAt;
}

/** Kills the updater, and nothing else, as soon as a release has come so far, or further. @returns how far it was */
export async function killUpdaterAtState(device: BootedDevice, releaseId: string, state: State): Promise<string> {
  return harmAtState(device, { releaseId, state, harm: `kill -KILL "$(awk '$1 == "pid" { print $2 }' /var/lib/prose-ship/lock)"` });
}

/** Kills the engine; @returns what its unit's start brought about: how the updater's run ended, and the containers */
export async function killEngine(device: BootedDevice): Promise<string[]> {
  const script = String.raw`
    show() { systemctl show -p "$2" --value "$1"; }
    begun=$(show prose-ship.service ExecMainStartTimestampMonotonic)
    kill -KILL "$(show docker.service MainPID)"
    until [ "$(show prose-ship.service ExecMainStartTimestampMonotonic)" != "$begun" ] && [ "$(show prose-ship.service ActiveState)" = inactive ]; do sleep 1; done
    show prose-ship.service Result
    docker ps --format '{{.Names}} {{.State}}'`;
  const { stdout } = await device.exec(['sh', '-c', script], { sudo: true, timeoutMs: 600_000 });
  return stdout.trim().split('\n');
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
