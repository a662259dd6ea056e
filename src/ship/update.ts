import type { Context } from '../context.ts';
import type { HostInventory } from '../device/inventory.ts';
import type { TokenBucket } from '../host/ssh/connection.ts';
import type { Release } from '../release/read-release.ts';
import type { Task } from '../tasks.ts';
import { readInventory, type Device } from './device.ts';
import { choosePlatform, openImages, planUpdate, type OpenedImage, type UpdatePlan } from './plan-update.ts';
import { preflight, type PreflightOptions } from './preflight.ts';
import { pushTasks, secretTask, uploadedBytes } from './push.ts';
import { checkTunnel } from './registry/pull.ts';
import { followUpdater } from './rollout.ts';

export interface UpdateOptions extends PreflightOptions {
  /** Values of the release's runtime secrets; those that are not given must be on the host. */
  readonly secrets?: ReadonlyMap<string, string>;
  /** Slows the upload down; may be shared by several hosts. */
  readonly pace?: TokenBucket | undefined;
}

/** A plan and what it was made from. */
export interface PreparedUpdate {
  readonly plan: UpdatePlan;
  readonly images: readonly OpenedImage[];
  readonly inventory: HostInventory;
}

/** Asks the host what it has and plans; nothing there is touched. */
export async function prepareUpdate(device: Device, release: Release): Promise<PreparedUpdate> {
  const inventory = await readInventory(device);
  const platform = choosePlatform(release, device.host.name, inventory);
  const images = await openImages(release, platform);
  return { plan: planUpdate(device.host.name, release, platform, images, inventory), images, inventory };
}

/**
 * Whether the update can be carried out; what an interrupted one has brought already needs no space any more.
 * @throws ShipError of `preflight`; E_TUNNEL_REFUSED (exit status 3)
 */
export async function checkHost(device: Device, { plan, inventory }: PreparedUpdate, options: PreflightOptions): Promise<void> {
  preflight(plan, inventory, { ...options, uploadedBytes: await uploadedBytes(device, plan) });
  if (options.transport === 'registry' && plan.sendBytes > 0) await checkTunnel(device);
}

/** Checks, uploads, loads; with `rollout` also moves the host over to the release, behind the gate. */
export function updateTasks(
  context: Context,
  device: Device,
  release: Release,
  prepared: PreparedUpdate,
  options: UpdateOptions & { readonly rollout: boolean },
): Task[] {
  const { plan } = prepared;
  const tasks: Task[] = [
    { id: 'preflight', title: 'Check the host', run: () => checkHost(device, prepared, options) },
    secretTask(device, options.secrets ?? new Map()),
    ...pushTasks({ context, device, release, ...prepared, pace: options.pace, transport: options.transport ?? 'sftp' }),
  ];
  if (!options.rollout) return tasks;
  return [
    ...tasks,
    {
      id: 'rollout',
      title: `Roll out ${plan.release}`,
      run: (report) => followUpdater(context, device, ['rollout', plan.release], report),
    },
  ];
}

/** Moves a host back to its previous, or a named, kept release. */
export function rollbackTask(context: Context, device: Device, id: string | undefined): Task {
  return {
    id: 'rollback',
    title: id ? `Roll back to ${id}` : 'Roll back to the release before',
    run: (report) => followUpdater(context, device, ['rollback', ...(id ? [id] : [])], report),
  };
}
