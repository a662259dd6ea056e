import { ExitStatus, ShipError } from '../../errors.ts';

/**
 * What came of a host: `unchanged` had the release already; `reverted` was updated and then returned to the release before,
 * because another host failed; `returned` was asked to go back and did; `ready` was provisioned; `failed` is told by its error.
 */
export type HostState = 'ready' | 'returned' | 'updated' | 'pushed' | 'unchanged' | 'rolled-back' | 'failed' | 'reverted' | 'revert-failed' | 'not-started';

export interface HostOutcome {
  readonly host: string;
  /** Counts from 1; absent where the host was left out. */
  readonly wave?: number;
  readonly state: HostState;
  /** Why it failed, was rolled back or left out. */
  readonly error?: ShipError;
}

const bugCode = 'E_BUG';
const good: readonly HostState[] = ['ready', 'returned', 'updated', 'pushed', 'unchanged'];
const untouched: readonly HostState[] = ['not-started', 'unchanged', 'failed'];

/** 0 all have the release; 4 every host that failed was rolled back; 3 no host was touched; 1 otherwise. */
export function fleetStatus(outcomes: readonly HostOutcome[]): ExitStatus {
  if (outcomes.every(({ state }) => good.includes(state))) return ExitStatus.done;
  const failed = failures(outcomes);
  if (failed.length > 0 && failed.every(({ state }) => state === 'rolled-back')) return ExitStatus.rolledBack;
  const isRefusal = failed.length > 0 && failed.every(({ error }) => error?.exitStatus === ExitStatus.preflight);
  return isRefusal && outcomes.every(({ state }) => untouched.includes(state)) ? ExitStatus.preflight : ExitStatus.failed;
}

function failures(outcomes: readonly HostOutcome[]): readonly HostOutcome[] {
  return outcomes.filter(({ state }) => state === 'failed' || state === 'rolled-back' || state === 'revert-failed');
}

const repeatRemedy = 'Run the same command again when the cause is gone: hosts that have the release stay as they are.';

/** One error for all hosts, or undefined when all went well; a single host's own error stays as it is. */
export function fleetError(outcomes: readonly HostOutcome[], result: object, wasInterrupted: boolean, remedy = repeatRemedy): ShipError | undefined {
  const exitStatus = fleetStatus(outcomes);
  if (exitStatus === ExitStatus.done) return undefined;
  const [only, second] = outcomes;
  if (only?.error && !second) return withResult(only.error, result);
  const affected = outcomes.filter(({ error }) => error !== undefined);
  return new ShipError({
    ...(wasInterrupted ? { code: 'E_INTERRUPTED' as const, exitStatus: ExitStatus.interrupted } : { code: codeOf(exitStatus), exitStatus }),
    message: `${wasInterrupted ? 'Interrupted: of' : 'Of'} ${outcomes.length} hosts ${countStates(outcomes)}`,
    ...(affected.length > 0 ? { output: describeErrors(affected) } : {}),
    remedy: wasInterrupted
      ? 'Hosts whose rollout had begun finish or revert by themselves; `prose-ship status` tells how it ended.'
      : remedy,
    result,
  });
}

export interface FleetTelling<Outcome, Told> {
  readonly describe: (outcome: Outcome) => Told;
  readonly wasInterrupted: boolean;
  /** Default: to run the same command again. */
  readonly remedy?: string;
}

/**
 * What a verb gives in the end: every host as `describe` tells it.
 * @throws ShipError of `fleetError`, with that as its result; a fault of ours as it was thrown
 */
export function fleetResult<Outcome extends HostOutcome, Told extends object>(
  outcomes: readonly Outcome[],
  { describe, wasInterrupted, remedy }: FleetTelling<Outcome, Told>,
): { readonly hosts: readonly Told[] } {
  rethrowBug(outcomes);
  const hosts = outcomes.map(describe);
  const error = fleetError(outcomes, { hosts }, wasInterrupted, remedy);
  if (error) throw error;
  return { hosts };
}

/**
 * Hosts that cannot be updated, found before any host was touched.
 * @returns ShipError E_HOSTS_NOT_READY (exit status 3), or the error itself where there is one host only
 */
export function notReadyError(unready: readonly HostOutcome[], hostCount: number): ShipError {
  const [first] = unready;
  if (first?.error && hostCount === 1) return first.error;
  return new ShipError({
    code: 'E_HOSTS_NOT_READY',
    message: `${unready.length} of ${hostCount} hosts cannot be updated now (${unready.map(({ host }) => host).join(', ')}); nothing was touched on any host`,
    output: describeErrors(unready),
    remedy: 'See to them, or go on without them with --skip-unready (a canary is never left out).',
    exitStatus: ExitStatus.preflight,
    result: { hosts: unready.map(describeOutcome) },
  });
}

/** `2 updated, 1 rolled back, 3 not started`. */
function countStates(outcomes: readonly HostOutcome[]): string {
  const counts = Map.groupBy(outcomes, ({ state }) => state);
  return [...counts].map(([state, { length }]) => `${length} ${stateText(state)}`).join(', ');
}

export function stateText(state: HostState): string {
  return state.replace('-', ' ');
}

/** Plain data for `--json`. */
export function describeOutcome({ error, ...outcome }: HostOutcome): object {
  return { ...outcome, ...(error ? { error: describeError(error) } : {}) };
}

/** Plain data of an error, for `--json`. */
export function describeError({ code, message, remedy }: ShipError): object {
  return { code, message, ...(remedy ? { remedy } : {}) };
}

/** For people: each host with its error and the remedy. */
export function describeErrors(outcomes: readonly Pick<HostOutcome, 'host' | 'error'>[]): string {
  return outcomes
    .map(({ host, error }) => (error ? [`${host}: ${error.message} (${error.code})`, ...(error.remedy ? [`  -> ${error.remedy}`] : [])].join('\n') : host))
    .join('\n');
}

function codeOf(status: ExitStatus): `E_${string}` {
  if (status === ExitStatus.rolledBack) return 'E_ROLLED_BACK';
  return status === ExitStatus.preflight ? 'E_HOSTS_NOT_READY' : 'E_HOSTS_FAILED';
}

/** Whatever was thrown, as an error with a code. */
export function asShipError(error: unknown): ShipError {
  if (error instanceof ShipError) return error;
  return new ShipError({ code: bugCode, message: error instanceof Error ? error.message : String(error), cause: error });
}

/** A fault of ours on one host must not be taken for the host's. */
export function rethrowBug(outcomes: readonly HostOutcome[]): void {
  const bug = outcomes.find(({ error }) => error?.code === bugCode)?.error;
  if (bug) throw bug.cause;
}

function withResult(error: ShipError, result: object): ShipError {
  const { code, message, remedy, place, output, exitStatus } = error;
  const known = { ...(remedy ? { remedy } : {}), ...(place ? { place } : {}), ...(output ? { output } : {}) };
  return new ShipError({ code, message, exitStatus, cause: error, ...known, result });
}
