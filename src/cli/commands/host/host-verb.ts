import type { ConnectOptions } from '../../../host/ssh/connection.ts';
import type { Device } from '../../../ship/device.ts';
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

export const releaseOption: VerbOption = {
  flags: '--release <dir>',
  description: "the release directory (default: what `prose-ship release` made of the site)",
};

/** How to log in: an unknown host key is asked about, or taken from `--accept-host-key`; never accepted in silence. */
export function connectOptions(session: Session, options: VerbOptions): ConnectOptions {
  const fingerprint = word(options['acceptHostKey']);
  return {
    ...(fingerprint ? { acceptHostKey: fingerprint } : {}),
    confirmHostKey: ({ host, type, fingerprint: found }) =>
      session.confirmHostKey(`The host key of ${host} is not known yet: ${type} ${found}\nDoes the device show the same fingerprint, and shall it be trusted?`),
  };
}

/** A login that takes longer than this is told of. */
const quietLoginMs = 1000;

/** Runs `work` on the hosts one after another, each with a login of its own. */
export async function onHosts<Result>(
  session: Session,
  names: readonly string[],
  options: VerbOptions,
  work: (device: Device, host: Host) => Promise<Result>,
): Promise<Result[]> {
  const { hostsOf, siteIfAny } = await import('../../pipeline/site.ts');
  const { withDevice } = await import('../../../ship/device.ts');
  const deployment = await siteIfAny(session);
  const results: Result[] = [];
  for (const host of hostsOf(deployment?.site.hosts ?? [], names)) {
    const { context } = session;
    const message = `Connecting to ${host.name} ...`;
    const slowLogin = setTimeout(() => context.emit({ type: 'log', level: 'info', message }), quietLoginMs);
    const login = withDevice(context, host, connectOptions(session, options), (device) => {
      clearTimeout(slowLogin);
      return work(device, host);
    });
    results.push(await login.finally(() => clearTimeout(slowLogin)));
  }
  return results;
}
