import type { Context } from '../../../context.ts';
import { ExitStatus, ShipError } from '../../../errors.ts';
import type { ConnectOptions } from '../../../host/ssh/connection.ts';
import type { Device } from '../../../ship/device.ts';
import { describeErrors } from '../../../ship/fleet/outcome.ts';
import type { StealLock } from '../../../ship/update.ts';
import type { Host } from '../../../site/model.ts';
import { word, words, type Session, type VerbArguments, type VerbOption, type VerbOptions } from '../../verb.ts';

export const hostsArgument = {
  name: '[host...]',
  description: 'names of the site file, or user@address (default: all hosts of the site)',
};
export const hostArgument = { name: '<host>', description: 'a name of the site file, or user@address' };

/** Those of a first argument that takes several with commas between them: `pi1,pi2`. */
export function hostNames(args: VerbArguments): readonly string[] {
  return words(args, 0).flatMap((text) => text.split(','));
}

export const connectOption: VerbOption = {
  flags: '--accept-host-key <fingerprint>',
  description: 'trust an unknown host key with this fingerprint (SHA256:...) and remember it',
};

export const stealLockOptions: readonly VerbOption[] = [
  { flags: '--steal-lock', description: 'first end a run on the host that hangs: no progress for 30 minutes' },
  { flags: '--steal-lock-of <owner>', description: 'first end the run of this owner, whatever it does; `prose-ship status` names owners' },
];

/** What `stealLockOptions` ask for. */
export function stealLock(options: VerbOptions): StealLock | undefined {
  const owner = word(options['stealLockOf']);
  if (owner !== undefined) return { from: 'owner', owner };
  return options['stealLock'] === true ? { from: 'hung' } : undefined;
}

export const releaseOption: VerbOption = {
  flags: '--release <dir>',
  description: "the release directory (default: what `prose-ship release` made of the site)",
};

/** How to log in: an unknown host key is asked about, or taken from `--accept-host-key`; never accepted in silence. */
export function connectOptions(session: Session, options: VerbOptions): ConnectOptions {
  const fingerprint = word(options['acceptHostKey']);
  const asked = new Map<string, Promise<boolean>>();
  let earlier: Promise<unknown> = Promise.resolve();
  return {
    ...(fingerprint ? { acceptHostKey: fingerprint } : {}),
    confirmHostKey: ({ host, type, fingerprint: found }) => {
      const text = `The host key of ${host} is not known yet: ${type} ${found}\nDoes the device show the same fingerprint, and shall it be trusted?`;
      // Several logins may ask at once: one question after another, and each only once.
      const answer = asked.get(text) ?? earlier.then(() => session.confirmHostKey(text));
      asked.set(text, answer);
      earlier = answer.catch(() => {});
      return answer;
    },
  };
}

/** A login that takes longer than this is told of. */
const quietLoginMs = 1000;

/** Says that logins are under way, unless the function that it gives is called soon. */
export function tellWhenSlow({ emit }: Context, hosts: readonly Host[]): () => void {
  const who = hosts.length > 4 ? `${hosts.length} hosts` : hosts.map(({ name }) => name).join(', ');
  const timer = setTimeout(() => emit({ type: 'log', level: 'info', message: `Connecting to ${who} ...` }), quietLoginMs);
  return () => clearTimeout(timer);
}

/** What came of one host. */
export type Visited<Result> =
  | { readonly host: string; readonly result: Result; readonly error?: undefined }
  | { readonly host: string; readonly error: ShipError };

export interface VisitOptions<Result> {
  /** How many hosts at once; default 1. */
  readonly concurrency?: number;
  /** Called for one host after another, in their order, as soon as that can be. */
  readonly onVisited?: (visited: Visited<Result>) => void;
}

/**
 * Runs `work` on the hosts, each with a login of its own; a host that fails keeps no other from its turn. Gives what
 * came of each, in the order of the hosts; only an interruption, and faults of ours, are thrown.
 */
export async function visitEach<Result>(
  session: Session,
  names: readonly string[],
  options: VerbOptions,
  work: (device: Device, host: Host) => Promise<Result>,
  { concurrency = 1, onVisited }: VisitOptions<Result> = {},
): Promise<Visited<Result>[]> {
  const { hostsOf, siteIfAny } = await import('../../pipeline/site.ts');
  const { withDevice } = await import('../../../ship/device.ts');
  const { default: pLimit } = await import('p-limit');
  const deployment = await siteIfAny(session);
  const { context } = session;
  const connect = connectOptions(session, options);
  const limit = pLimit(concurrency);
  const visit = async (host: Host): Promise<Visited<Result>> => {
    context.signal.throwIfAborted();
    const quiet = tellWhenSlow(context, [host]);
    const login = withDevice(context, host, connect, (device) => {
      quiet();
      return work(device, host);
    });
    try {
      return { host: host.name, result: await login };
    } catch (error) {
      if (!(error instanceof ShipError) || context.signal.aborted) throw error;
      return { host: host.name, error };
    } finally {
      quiet();
    }
  };
  const visits = hostsOf(deployment, names).map((host) => limit(() => visit(host)));
  const settled = Promise.allSettled(visits);
  const all: Visited<Result>[] = [];
  try {
    for (const one of visits) {
      const visited = await one;
      onVisited?.(visited);
      all.push(visited);
    }
  } finally {
    await settled; // logins are closed before anything is thrown
  }
  return all;
}

/** Runs `work` on the hosts, one after another or `concurrency` at once; the first failure is thrown when all have ended. */
export async function onHosts<Result>(
  session: Session,
  names: readonly string[],
  options: VerbOptions,
  work: (device: Device, host: Host) => Promise<Result>,
  settings: { readonly concurrency?: number } = {},
): Promise<Result[]> {
  const visited = await visitEach(session, names, options, work, settings);
  return visited.map((one) => {
    if (one.error) throw one.error;
    return one.result;
  });
}

/**
 * The error of hosts that failed, when some did: a single host's own, else E_HOSTS_FAILED with `result`, exit status 1.
 */
export function visitError(visited: readonly Visited<unknown>[], result: object): ShipError | undefined {
  const failed = visited.flatMap(({ host, error }) => (error ? [{ host, error }] : []));
  const [first] = failed;
  if (!first || visited.length === 1) return first?.error;
  return new ShipError({
    code: 'E_HOSTS_FAILED',
    message: `${failed.length} of ${visited.length} hosts failed: ${failed.map(({ host }) => host).join(', ')}`,
    output: describeErrors(failed),
    remedy: 'The other hosts were asked all the same.',
    exitStatus: ExitStatus.failed,
    result,
  });
}
