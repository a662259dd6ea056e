import type { Context } from '../../../context.ts';
import type { ConnectOptions } from '../../../host/ssh/connection.ts';
import type { Device } from '../../../ship/device.ts';
import type { StealLock } from '../../../ship/update.ts';
import type { Host } from '../../../site/model.ts';
import { word, type Session, type VerbOption, type VerbOptions } from '../../verb.ts';

export const hostsArgument = {
  name: '[host...]',
  description: 'names of the site file, or user@address (default: all hosts of the site)',
};
export const hostArgument = { name: '<host>', description: 'a name of the site file, or user@address' };

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

/** Runs `work` on the hosts, each with a login of its own: one after another, or `concurrency` at once. Results come in the order of the hosts. */
export async function onHosts<Result>(
  session: Session,
  names: readonly string[],
  options: VerbOptions,
  work: (device: Device, host: Host) => Promise<Result>,
  { concurrency = 1 }: { readonly concurrency?: number } = {},
): Promise<Result[]> {
  const { hostsOf, siteIfAny } = await import('../../pipeline/site.ts');
  const { withDevice } = await import('../../../ship/device.ts');
  const { default: pLimit } = await import('p-limit');
  const deployment = await siteIfAny(session);
  const { context } = session;
  const connect = connectOptions(session, options);
  const limit = pLimit(concurrency);
  const visit = async (host: Host) => {
    const quiet = tellWhenSlow(context, [host]);
    const login = withDevice(context, host, connect, (device) => {
      quiet();
      return work(device, host);
    });
    return login.finally(quiet);
  };
  let hasFailed = false;
  const visits = hostsOf(deployment?.site.hosts ?? [], names).map((host) =>
    limit(async () => {
      if (hasFailed) return undefined; // the failure is thrown below
      return { result: await visit(host) };
    }).catch((error: unknown) => {
      hasFailed = true;
      throw error;
    }),
  );
  await Promise.allSettled(visits); // logins are closed before the first failure is thrown
  return (await Promise.all(visits)).flatMap((visited) => (visited ? [visited.result] : []));
}
