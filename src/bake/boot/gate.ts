/** What `updater status` tells of a device (docs/internals/device.md). */
export interface DeviceStatus {
  readonly currentId?: string;
  readonly journal?: { readonly state: string; readonly id: string };
  /** The state that is being worked towards. */
  readonly underWay?: string;
  readonly containers: readonly ContainerStatus[];
  /** The last lines of the audit log. */
  readonly audit: readonly string[];
}

export interface ContainerStatus {
  readonly service: string;
  /** As the engine has it: `running`, `exited`; `completed` is a one-shot service that ended well. */
  readonly state: string;
  /** `healthy`, `starting`, `unhealthy`; undefined without a health check. */
  readonly health?: string;
}

/** Reads KEY TAB VALUE lines; keys that it does not know are left out, so that a newer updater can add some. */
export function parseStatus(output: string): DeviceStatus {
  const lines = output.split('\n').map((line) => line.split('\t'));
  const fieldsOf = (key: string) => lines.filter(([name]) => name === key).map(([, ...fields]) => fields);
  const currentId = fieldsOf('current')[0]?.[0];
  const underWay = fieldsOf('under-way')[0]?.[0];
  const [state, id] = fieldsOf('journal')[0] ?? [];
  return {
    ...(currentId ? { currentId } : {}),
    ...(state && id ? { journal: { state, id } } : {}),
    ...(underWay ? { underWay } : {}),
    containers: fieldsOf('container').map(([service = '', containerState = '', health = '-']) => ({
      service,
      state: containerState,
      ...(health === '-' ? {} : { health }),
    })),
    audit: fieldsOf('audit').map((fields) => fields.join('\t')),
  };
}

export type GateVerdict =
  | { readonly kind: 'healthy'; readonly releaseId: string }
  | { readonly kind: 'waiting'; readonly reason: string }
  /** Nothing more will happen by itself. */
  | { readonly kind: 'failed'; readonly reason: string };

/** Whether the release that the device is to run does run. */
export function gateVerdict({ currentId, journal, underWay, containers }: DeviceStatus): GateVerdict {
  if (underWay) return { kind: 'waiting', reason: `release ${journal?.id ?? '?'} is on its way to '${underWay}'` };
  if (!currentId) return { kind: 'failed', reason: nothingRuns(journal) };
  const unwell = containers.find(({ state, health }) => !['running', 'completed'].includes(state) || (health !== undefined && health !== 'healthy'));
  if (unwell) return { kind: 'waiting', reason: `${unwell.service} is ${unwell.state === 'running' ? (unwell.health ?? '') : unwell.state}` };
  if (containers.length === 0) return { kind: 'waiting', reason: `release ${currentId} has no container yet` };
  return { kind: 'healthy', releaseId: currentId };
}

/** A rollback to an earlier release leaves that one current; after a failed first install there is none. */
function nothingRuns(journal: DeviceStatus['journal']): string {
  if (!journal) return 'the card holds no release';
  return journal.state === 'rolled-back' ? `release ${journal.id} was rolled back` : `release ${journal.id} stays '${journal.state}'`;
}
