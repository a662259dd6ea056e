/** The kill matrix as data: where, which fault, on which image store, and how it may end. */

export type Store = 'overlay2' | 'containerd';

/** A moment of a rollout, told by what the updater just did: the journal's state and next step, or a program it called. */
export interface Point {
  readonly name: string;
  readonly when: 'before' | 'during' | 'after';
  readonly program: 'sync' | 'docker' | 'docker-compose' | 'curl' | 'cp' | 'mv' | 'upload';
  /** `STATE/NEXT` of the journal, shell patterns. */
  readonly step: string;
  /** Shell pattern of the program's arguments. */
  readonly pattern: string;
  /** Reached only by a release whose gate never passes. */
  readonly failing?: true;
  /** Reached only where the data's format changes. */
  readonly data?: true;
  /** Reached only by a release with files for the host itself. */
  readonly hostFiles?: true;
  /** Reached only where one service changes, and its data does not. */
  readonly alone?: true;
  /** `during` a program: shell code that fails until the moment has come; default: a twentieth of a second later. */
  readonly moment?: string;
  /** Default: all that can be brought about there. */
  readonly faults?: readonly Fault[];
}

/** What was journalled as `state` on the way to `next`, and has just reached the disk. */
function journalled(state: string, next: string, more: { failing?: true } = {}): Point {
  return { name: next === 'rolled-back' ? 'rolling-back' : state, when: 'after', program: 'sync', step: `${state}/${next}`, pattern: '*/var/lib/prose-ship', ...more };
}

/** What Compose does between a container and its successor takes milliseconds; whether it was met does not matter. */
const bothAreThere = '/usr/bin/docker ps -aq --filter status=created | grep -q .';

const upload: Point = { name: 'uploading', when: 'during', program: 'upload', step: '*', pattern: '*' };

export const points: readonly Point[] = [
  upload,
  journalled('uploaded', 'verified'),
  journalled('verified', 'loaded'),
  { name: 'loading', when: 'during', program: 'docker', step: 'verified/loaded', pattern: 'load *' },
  { name: 'trying the image', when: 'after', program: 'curl', step: 'verified/loaded', pattern: '*/containers/create*' },
  journalled('loaded', 'synced'),
  journalled('synced', 'proven'),
  { ...journalled('synced', 'stopped'), name: 'proven' },
  { name: 'stopping', when: 'after', program: 'docker', step: 'synced/stopped', pattern: 'stop *' },
  journalled('stopped', 'snapshotted'),
  { name: 'copying data', when: 'during', program: 'cp', step: 'stopped/snapshotted', pattern: '*/snapshots/*', data: true },
  journalled('snapshotted', 'started'),
  { name: 'starting', when: 'after', program: 'docker-compose', step: 'snapshotted/started', pattern: '*up --detach*' },
  { name: 'exchanging one', when: 'during', program: 'docker-compose', step: 'snapshotted/started', pattern: '*up --detach* records', moment: bothAreThere, alone: true, faults: ['updater killed', 'host killed', 'engine killed'] },
  { name: 'writing host files', when: 'after', program: 'mv', step: 'snapshotted/started', pattern: '*/etc/records/site.conf', hostFiles: true, faults: ['updater killed', 'host killed', 'disk full'] },
  journalled('started', 'gated'),
  journalled('gated', 'committed'),
  { name: 'between the links', when: 'before', program: 'mv', step: 'gated/committed', pattern: '*/current' },
  journalled('committed', '-'),
  journalled('*', 'rolled-back', { failing: true }),
  { name: 'taking host files back', when: 'after', program: 'mv', step: '*/rolled-back', pattern: '*/var/lib/prose-ship/host-files', failing: true, hostFiles: true, faults: ['updater killed', 'host killed'] },
  { name: 'starting the old', when: 'after', program: 'docker-compose', step: '*/rolled-back', pattern: '*up --detach*', failing: true },
  journalled('rolled-back', '-', { failing: true }),
];

export const stores: readonly Store[] = ['overlay2', 'containerd'];

export const faults = ['updater killed', 'host killed', 'engine killed', 'disk full', 'journal half written', 'journal torn', 'laptop killed', 'link cut'] as const;
export type Fault = (typeof faults)[number];

export type End = 'old' | 'new';

export interface Scenario {
  readonly store: Store;
  readonly point: Point;
  readonly fault: Fault;
  /** The new release changes the format of the data. */
  readonly dataChanges: boolean;
  /** The new release has files for the host itself. */
  readonly hostFiles: boolean;
  /** One service changes, which is then left to Compose. */
  readonly alone: boolean;
  readonly ends: readonly End[];
  /** Must be well without a boot of the host or anybody's doing; otherwise the next boot may be what mends it. */
  readonly unaided: boolean;
}

/** What the laptop does ends with the upload: from then on the host goes on by itself. */
const ofLaptop: readonly Fault[] = ['laptop killed', 'link cut'];
const preparing: readonly string[] = ['uploaded', 'verified', 'loaded'];
const ofJournal: readonly Fault[] = ['journal half written', 'journal torn'];
const ofPower: readonly Fault[] = ['host killed', ...ofJournal];

/** The host goes off, so that a boot is a part of the fault. */
export function needsBoot(fault: Fault): boolean {
  return ofPower.includes(fault);
}

/** The laptop had the release prepared, and did not come to ask for its rollout. */
export function mayWait({ point, fault }: Pick<Scenario, 'point' | 'fault'>): boolean {
  return ofLaptop.includes(fault) && preparing.includes(point.name);
}

export function planScenarios(stores: readonly Store[]): Scenario[] {
  return stores.flatMap((store) =>
    points.flatMap((point) => faults.filter((fault) => isMeant(point, fault)).map((fault) => planScenario(store, point, fault))),
  );
}

function isMeant(point: Point, fault: Fault): boolean {
  const isJournal = point.program === 'sync';
  if (point.faults) return point.faults.includes(fault);
  if (point === upload) return ofLaptop.includes(fault);
  return isJournal || !(ofLaptop.includes(fault) || ofJournal.includes(fault));
}

/** Each store sees the other half of the points with changed data, and with host files, so that both see both. */
function planScenario(store: Store, point: Point, fault: Fault): Scenario {
  const at = points.indexOf(point) + stores.indexOf(store);
  const dataChanges = point.data === true || (!point.alone && (at + faults.indexOf(fault)) % 2 === 0);
  const hostFiles = point.hostFiles === true || (at + (faults.indexOf(fault) >> 1)) % 2 === 0;
  // The upload that is cut needs an image that is large, and a stop one that Compose is not left with.
  const needsBoth = point === upload || point.name === 'stopping';
  return {
    store,
    point,
    fault,
    dataChanges,
    hostFiles,
    alone: point.alone === true || (!dataChanges && !hostFiles && !needsBoth),
    ends: endsOf(point, fault),
    unaided: !needsBoot(fault),
  };
}

function endsOf(point: Point, fault: Fault): readonly End[] {
  if (point === upload || point.failing) return ['old'];
  if (point.name === 'committed') return ['new'];
  // `update` prepares and rolls out in two runs; what a laptop does not ask for any more does not begin.
  if (mayWait({ point, fault })) return ['old', 'new'];
  // Nobody but the updater was harmed, and it goes on where it was.
  if (ofLaptop.includes(fault) || fault === 'updater killed' || fault === 'host killed' || fault === 'journal half written') return ['new'];
  return ['old', 'new'];
}

export function titleOf({ store, point, fault }: Pick<Scenario, 'store' | 'fault'> & { readonly point: Pick<Point, 'name'> }): string {
  return `${store}: ${fault} at '${point.name}'`;
}
