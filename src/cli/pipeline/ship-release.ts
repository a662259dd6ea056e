import { ExitStatus, ShipError } from '../../errors.ts';
import { TokenBucket } from '../../host/ssh/connection.ts';
import { verifyRelease } from '../../release/verify-release.ts';
import { UnsetSecret, resolveSecrets } from '../../site/secrets.ts';
import { prepareUpdate, updateTasks } from '../../ship/update.ts';
import type { UpdatePlan } from '../../ship/plan-update.ts';
import { runTasks, type TaskReport } from '../../tasks.ts';
import type { Release } from '../../release/read-release.ts';
import { Secret } from '../../secret.ts';
import type { Deployment } from '../../site/model.ts';
import { onHosts } from '../commands/host/host-verb.ts';
import { formatBytes } from '../report/format.ts';
import { hostsOf, releaseOf, siteIfAny } from './site.ts';
import { word, type Session, type VerbOptions } from '../verb.ts';

/** What came of one host, for the `--json` result. */
export interface ShippedHost {
  readonly host: string;
  readonly release: string;
  readonly sentBytes: number;
  readonly fullBytes: number;
  /** With `--dry-run`. */
  readonly plan?: UpdatePlan;
}

/** The release is proven once, then brought to each host. */
export async function shipRelease(
  session: Session,
  names: readonly string[],
  options: VerbOptions,
  { rollout }: { readonly rollout: boolean },
): Promise<ShippedHost[]> {
  const { context } = session;
  const rate = limitRate(options);
  const pace = rate === undefined ? undefined : new TokenBucket(rate);
  const deployment = await siteIfAny(session);
  const hosts = hostsOf(deployment?.site.hosts ?? [], names).map(({ name }) => name); // before anything takes time
  const release = await verified(session, await releaseOf(session, deployment, options));
  const secrets = session.dryRun ? new Map<string, string>() : await runtimeSecrets(session, deployment, release.manifest.secrets);
  return onHosts(session, hosts, options, async (device, host) => {
    const prepared = await prepareUpdate(device, release);
    const { plan } = prepared;
    if (session.dryRun) {
      session.print(describePlan(plan));
    } else {
      const allowDowngrade = options['allowDowngrade'] === true;
      const tasks = updateTasks(context, device, release, prepared, { rollout, allowDowngrade, secrets, pace });
      await runTasks(context, [{ id: host.name, title: `${host.name}: ${summary(plan)}`, run: (report) => report.children(tasks) }]);
    }
    const shipped = { host: host.name, release: plan.release, sentBytes: plan.sendBytes, fullBytes: plan.fullBytes };
    return session.dryRun ? { ...shipped, plan } : shipped;
  });
}

/** `--limit-rate` in bytes per second. */
function limitRate(options: VerbOptions): number | undefined {
  const text = word(options['limitRate']);
  if (text === undefined) return undefined;
  const mbitPerSecond = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (mbitPerSecond > 0) return (mbitPerSecond * 1e6) / 8;
  throw new ShipError({
    code: 'E_USAGE',
    message: `'${text}' is not a rate`,
    remedy: 'It is a number of megabits per second, such as 20 or 0.5.',
    exitStatus: ExitStatus.usage,
  });
}

/** The release, proven. */
async function verified({ context }: Session, { directory, manifest: { id } }: Release): Promise<Release> {
  const holder: { release?: Release } = {};
  const run = async (report: TaskReport) => {
    holder.release = await verifyRelease(directory, { blobs: false, signal: context.signal, onProgress: report.progress });
  };
  await runTasks(context, [{ id: 'verify', title: `Verify release ${id}`, run }]);
  if (!holder.release) throw new Error('unreachable: the task ran');
  return holder.release;
}

/** One line: from what to what, and how much of it is sent. */
export function summary({ current, release, sendBytes, fullBytes }: UpdatePlan): string {
  if (current?.id === release && sendBytes === 0) return `${release} runs there already`;
  const from = current ? `${current.id} -> ` : '';
  const share = sendBytes === 0 ? 'nothing to send' : `${formatBytes(sendBytes)} of ${formatBytes(fullBytes)} to send`;
  return `${from}${release}, ${share}`;
}

export function describePlan(plan: UpdatePlan): string {
  const images = plan.images.map(
    ({ component, reference, sentLayers, layers, sendBytes, compression }) =>
      `  ${component}: ${reference}, ${sentLayers} of ${layers} layers, ${formatBytes(sendBytes)} (${compression})`,
  );
  return [`${plan.host}: ${summary(plan)}`, ...images].join('\n');
}

/** The values that the release wants on the host, as far as the site says where they come from. */
async function runtimeSecrets(session: Session, deployment: Deployment | undefined, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (!deployment || names.length === 0) return new Map();
  const { variables } = await resolveSecrets(session.context, deployment, names);
  const given = names.flatMap((name): [string, string][] => {
    const value = variables[name];
    return value instanceof Secret && !(value instanceof UnsetSecret) ? [[name, value.reveal()]] : [];
  });
  return new Map(given);
}
