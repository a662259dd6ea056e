import { verifyRelease } from '../release/verify-release.ts';
import { UnsetSecret, resolveSecrets } from '../site/secrets.ts';
import { prepareUpdate, updateTasks } from '../ship/update.ts';
import type { UpdatePlan } from '../ship/plan-update.ts';
import { runTasks } from '../tasks.ts';
import { Secret } from '../secret.ts';
import type { Deployment } from '../site/model.ts';
import { onHosts } from './host-verb.ts';
import { formatBytes } from './report/format.ts';
import { releaseOf, siteIfAny } from './site.ts';
import type { Session, VerbOptions } from './verb.ts';

/** What came of one host, for the `--json` result. */
export interface ShippedHost {
  readonly host: string;
  readonly release: string;
  readonly sentBytes: number;
  readonly fullBytes: number;
}

/** The release is proven once, then brought to each host. */
export async function shipRelease(
  session: Session,
  names: readonly string[],
  options: VerbOptions,
  { rollout }: { readonly rollout: boolean },
): Promise<ShippedHost[]> {
  const { context } = session;
  const deployment = await siteIfAny(session);
  const { directory } = await releaseOf(session, deployment, options);
  const release = await verifyRelease(directory, { signal: context.signal });
  const secrets = session.dryRun ? new Map<string, string>() : await runtimeSecrets(session, deployment, release.manifest.secrets);
  return onHosts(session, names, options, async (device, host) => {
    const prepared = await prepareUpdate(device, release);
    const { plan } = prepared;
    if (session.dryRun) {
      session.print(describePlan(plan));
      context.emit({ type: 'log', level: 'debug', message: JSON.stringify(plan) });
    } else {
      const allowDowngrade = options['allowDowngrade'] === true;
      const tasks = updateTasks(context, device, release, prepared, { rollout, allowDowngrade, secrets });
      await runTasks(context, [{ id: host.name, title: `${host.name}: ${summary(plan)}`, run: (report) => report.children(tasks) }]);
    }
    return { host: host.name, release: plan.release, sentBytes: plan.sendBytes, fullBytes: plan.fullBytes };
  });
}

/** One line: from what to what, and how much of it is sent. */
export function summary({ current, release, sendBytes, fullBytes }: UpdatePlan): string {
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
