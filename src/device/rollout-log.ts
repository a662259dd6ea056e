/** The states of a rollout in their order; any failure after `synced` ends in `rolled-back` (docs/internals/device.md). */
export const rolloutStates = [
  'uploaded',
  'verified',
  'loaded',
  'synced',
  'stopped',
  'snapshotted',
  'started',
  'gated',
  'committed',
  'rolled-back',
] as const;
export type RolloutState = (typeof rolloutStates)[number];

/** A line of a rollout's log, `EPOCHSECONDS TAB KIND TAB TEXT`. */
export type RolloutLogLine = { readonly timeSeconds: number } & (
  | { readonly kind: 'state'; readonly state: RolloutState }
  | { readonly kind: 'info' | 'warning'; readonly text: string }
  | { readonly kind: 'error'; readonly code: `E_${string}`; readonly text: string }
  /** The last line: the exit status of the run. */
  | { readonly kind: 'end'; readonly status: number }
);

/** Reads one line; undefined for what is none (output of a tool between the lines, a kind of a newer updater). */
export function parseRolloutLogLine(line: string): RolloutLogLine | undefined {
  const [time = '', kind, first = '', second = ''] = line.replace(/\r?\n?$/, '').split('\t');
  if (!/^\d+$/.test(time)) return undefined;
  const timeSeconds = Number(time);
  if (kind === 'info' || kind === 'warning') return { timeSeconds, kind, text: first };
  if (kind === 'state' && isRolloutState(first)) return { timeSeconds, kind, state: first };
  if (kind === 'error' && isErrorCode(first)) return { timeSeconds, kind, code: first, text: second };
  if (kind === 'end' && /^\d+$/.test(first)) return { timeSeconds, kind, status: Number(first) };
  return undefined;
}

function isRolloutState(word: string): word is RolloutState {
  return (rolloutStates as readonly string[]).includes(word);
}

function isErrorCode(word: string): word is `E_${string}` {
  return /^E_[A-Z0-9_]+$/.test(word);
}
