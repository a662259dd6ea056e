import type { Context } from '../context.ts';
import type { HostInventory } from '../device/inventory.ts';
import { ExitStatus, ShipError } from '../errors.ts';
import type { TokenBucket } from '../host/ssh/connection.ts';
import type { Release } from '../release/read-release.ts';
import { isSigned } from '../release/signature/verify-signature.ts';
import type { Task } from '../tasks.ts';
import { readInventory, type Device } from './device.ts';
import { checkDropZone, uploadedBytes } from './drop-zone.ts';
import { SharedArchives } from './archives/shared-archives.ts';
import { choosePlatform, openImages, planUpdate, type OpenedImage, type UpdatePlan } from './plan-update.ts';
import { preflight, type PreflightOptions } from './preflight.ts';
import { pushTasks, secretTask } from './push.ts';
import { checkTunnel } from './registry/pull.ts';
import { followUpdater } from './rollout.ts';

/** End another run first: one that hangs, or that of an owner, whatever it does. */
export type StealLock = { readonly from: 'hung' } | { readonly from: 'owner'; readonly owner: string };

export interface UpdateOptions extends PreflightOptions {
  readonly stealLock?: StealLock | undefined;
  /** Values of the release's runtime secrets; those that are not given must be on the host. */
  readonly secrets?: ReadonlyMap<string, string>;
  /** Slows the upload down; may be shared by several hosts. */
  readonly pace?: TokenBucket | undefined;
  /** What is sent, for several hosts read together. */
  readonly archives?: SharedArchives;
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
  const plan = planUpdate(device.host.name, release, platform, images, inventory);
  if (inventory.requiresSignature && !plan.isKept && !(await isSigned(release.directory))) throw unsigned(plan, device.paths.allowedSignersFile);
  return { plan, images, inventory };
}

function unsigned({ host, release }: UpdatePlan, signersFile: string): ShipError {
  return new ShipError({
    code: 'E_SIGNATURE_MISSING',
    message: `${host} takes signed releases only, and ${release} is not signed`,
    remedy: `Sign it with \`prose-ship release --sign KEY\`; ${signersFile} on the host lists whose key counts.`,
    exitStatus: ExitStatus.preflight,
  });
}

/**
 * Whether the update can be carried out; what an interrupted one has brought already needs no space any more.
 * @throws ShipError of `preflight`; E_NOT_PROVISIONED when the drop zone is another login's; E_TUNNEL_REFUSED (exit status 3)
 */
export async function checkHost(device: Device, { plan, inventory }: PreparedUpdate, options: PreflightOptions): Promise<void> {
  if (!plan.isKept) await checkDropZone(device);
  try {
    preflight(plan, inventory, options);
  } catch (error) {
    if (!(error instanceof ShipError) || error.code !== 'E_HOST_DISK_FULL') throw error;
    preflight(plan, inventory, { ...options, uploadedBytes: await uploadedBytes(device, plan) });
  }
  if (options.transport !== 'registry' || plan.sendBytes === 0) return;
  if (device.host.engine === 'none') throw nothingPulls(device.host.name);
  await checkTunnel(device);
}

function nothingPulls(host: string): ShipError {
  return new ShipError({ code: 'E_NO_ENGINE', message: `${host} has no engine that could pull images`, remedy: 'Leave out `transport: registry`: images go there as files.', exitStatus: ExitStatus.preflight });
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
    ...stealLockTasks(context, device, options.stealLock),
    { id: 'preflight', title: 'Check the host', run: () => checkHost(device, prepared, options) },
    secretTask(device, options.secrets ?? new Map()),
    ...pushTasks({ context, device, release, ...prepared, pace: options.pace, transport: options.transport ?? 'sftp', archives: options.archives ?? new SharedArchives() }),
  ];
  if (!options.rollout) return tasks;
  return [
    ...tasks,
    {
      id: 'rollout',
      title: `Roll out ${plan.release}`,
      run: (report) => followUpdater(context, device, ['rollout', plan.release, ...(options.renameDomain ? ['rename'] : [])], report),
    },
  ];
}

/** The updater ends the other run, then finishes or reverts what that one left half-way. */
export function stealLockTasks(context: Context, device: Device, steal: StealLock | undefined): Task[] {
  if (!steal) return [];
  const owner = steal.from === 'owner' ? [steal.owner] : [];
  return [{ id: 'steal-lock', title: 'Take over from another run', run: (report) => followUpdater(context, device, ['steal-lock', ...owner], report) }];
}

/** Moves a host back to its previous, or a named, kept release. */
export function rollbackTask(context: Context, device: Device, id: string | undefined): Task {
  return {
    id: 'rollback',
    title: id ? `Roll back to ${id}` : 'Roll back to the release before',
    run: (report) => followUpdater(context, device, ['rollback', ...(id ? [id] : [])], report),
  };
}
