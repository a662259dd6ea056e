/** The kill matrix as data: where, which fault, on which image store, and how it may end. */

export type Store = 'overlay2' | 'containerd';

/** A moment of a rollout, told by what the updater just did: the journal's state and next step, or a program it called. */
export interface Point {
  readonly name: string;
  readonly when: 'before' | 'during' | 'after';
  readonly program: 'sync' | 'docker' | 'cp' | 'mv' | 'upload';
  /** `STATE/NEXT` of the journal, shell patterns. */
  readonly step: string;
  /** Shell pattern of the program's arguments. */
  readonly pattern: string;
  /** Reached only by a release whose gate never passes. */
  readonly failing?: true;
  /** Reached only where the data's format changes. */
  readonly data?: true;
}

/** What was journalled as `state` on the way to `next`, and has just reached the disk. */
function journalled(state: string, next: string, more: { failing?: true } = {}): Point {
  return { name: next === 'rolled-back' ? 'rolling-back' : state, when: 'after', program: 'sync', step: `${state}/${next}`, pattern: '*/var/lib/prose-ship', ...more };
}

const upload: Point = { name: 'uploading', when: 'during', program: 'upload', step: '*', pattern: '*' };

export const points: readonly Point[] = [
  upload,
  journalled('uploaded', 'verified'),
  journalled('verified', 'loaded'),
  { name: 'loading', when: 'during', program: 'docker', step: 'verified/loaded', pattern: 'load *' },
  { name: 'trying the image', when: 'after', program: 'docker', step: 'verified/loaded', pattern: 'create *' },
  journalled('loaded', 'synced'),
  journalled('synced', 'proven'),
  { ...journalled('synced', 'stopped'), name: 'proven' },
  { name: 'stopping', when: 'after', program: 'docker', step: 'synced/stopped', pattern: 'stop *' },
  journalled('stopped', 'snapshotted'),
  { name: 'copying data', when: 'during', program: 'cp', step: 'stopped/snapshotted', pattern: '*/snapshots/*', data: true },
  journalled('snapshotted', 'started'),
  { name: 'starting', when: 'after', program: 'docker', step: 'snapshotted/started', pattern: 'compose *up --detach*' },
  journalled('started', 'gated'),
  journalled('gated', 'committed'),
  { name: 'between the links', when: 'before', program: 'mv', step: 'gated/committed', pattern: '*/current' },
  journalled('committed', '-'),
  journalled('*', 'rolled-back', { failing: true }),
  { name: 'starting the old', when: 'after', program: 'docker', step: '*/rolled-back', pattern: 'compose *up --detach*', failing: true },
  journalled('rolled-back', '-', { failing: true }),
];

export const faults = ['updater killed', 'host killed', 'engine killed', 'disk full', 'journal half written', 'journal torn', 'laptop killed', 'link cut'] as const;
export type Fault = (typeof faults)[number];

export type End = 'old' | 'new';

export interface Scenario {
  readonly store: Store;
  readonly point: Point;
  readonly fault: Fault;
  /** The new release changes the format of the data. */
  readonly dataChanges: boolean;
  readonly ends: readonly End[];
  /** Must be well without a boot of the host or anybody's doing; otherwise the next boot may be what mends it. */
  readonly unaided: boolean;
}

/** What the laptop does ends with the upload: from then on the host goes on by itself. */
const ofLaptop: readonly Fault[] = ['laptop killed', 'link cut'];
const preparing: readonly string[] = ['uploaded', 'verified', 'loaded'];
const ofJournal: readonly Fault[] = ['journal half written', 'journal torn'];
const ofPower: readonly Fault[] = ['host killed', ...ofJournal];

export function planScenarios(stores: readonly Store[]): Scenario[] {
  return stores.flatMap((store) =>
    points.flatMap((point) => faults.filter((fault) => isMeant(point, fault)).map((fault) => planScenario(store, point, fault))),
  );
}

function isMeant(point: Point, fault: Fault): boolean {
  const isJournal = point.program === 'sync';
  if (point === upload) return ofLaptop.includes(fault);
  return isJournal || !(ofLaptop.includes(fault) || ofJournal.includes(fault));
}

/** Each store sees the other half of the points with changed data, so that both see both. */
function planScenario(store: Store, point: Point, fault: Fault): Scenario {
  const parity = (points.indexOf(point) + faults.indexOf(fault) + (store === 'overlay2' ? 0 : 1)) % 2 === 0;
  return {
    store,
    point,
    fault,
    dataChanges: point.data === true || parity,
    ends: endsOf(point, fault),
    unaided: !ofPower.includes(fault),
  };
}

function endsOf(point: Point, fault: Fault): readonly End[] {
  if (point === upload || point.failing) return ['old'];
  if (point.name === 'committed') return ['new'];
  // `update` prepares and rolls out in two runs; what a laptop does not ask for any more does not begin.
  if (ofLaptop.includes(fault) && preparing.includes(point.name)) return ['old', 'new'];
  // Nobody but the updater was harmed, and it goes on where it was.
  if (ofLaptop.includes(fault) || fault === 'updater killed' || fault === 'host killed' || fault === 'journal half written') return ['new'];
  return ['old', 'new'];
}

export function titleOf({ store, point, fault }: Pick<Scenario, 'store' | 'fault'> & { readonly point: Pick<Point, 'name'> }): string {
  return `${store}: ${fault} at '${point.name}'`;
}
