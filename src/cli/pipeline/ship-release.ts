import { wrongUsage } from '../../errors.ts';
import { TokenBucket } from '../../host/ssh/connection.ts';
import { verifySignature } from '../../release/signature/verify-signature.ts';
import { verifyRelease } from '../../release/verify-release.ts';
import { describeOutcome, fleetResult, notReadyError, stateText } from '../../ship/fleet/outcome.ts';
import { planWaves, type WaveOptions } from '../../ship/fleet/plan-waves.ts';
import { prepareHosts } from '../../ship/fleet/prepare-hosts.ts';
import { updateFleet, type ShippedOutcome } from '../../ship/fleet/update-fleet.ts';
import type { UpdatePlan } from '../../ship/plan-update.ts';
import type { Transport } from '../../ship/preflight.ts';
import { runTasks, type TaskReport } from '../../tasks.ts';
import type { Release } from '../../release/read-release.ts';
import type { Host } from '../../site/model.ts';
import { connectOptions, stealLock, tellWhenSlow } from '../commands/host/host-verb.ts';
import { formatBytes, formatTable } from '../report/format.ts';
import { runtimeSecrets } from './runtime-secrets.ts';
import { describeSigner, hostsOf, releaseOf, siteIfAny } from './site.ts';
import { word, type Session, type VerbOptions } from '../verb.ts';

/** What came of one host, for the `--json` result. */
export interface ShippedHost {
  readonly host: string;
  readonly release: string;
  /** Absent where the host was not asked. */
  readonly sentBytes?: number;
  readonly fullBytes?: number;
  /** With `--dry-run`. */
  readonly plan?: UpdatePlan;
}

interface Shipping {
  readonly hosts: readonly Host[];
  readonly release: Release;
  readonly waves: WaveOptions;
}

/** The release is proven once, all hosts are asked, then it is brought to them in waves. */
export async function shipRelease(
  session: Session,
  names: readonly string[],
  options: VerbOptions,
  { rollout }: { readonly rollout: boolean },
): Promise<readonly object[]> {
  const { context } = session;
  const rate = limitRate(options);
  const pace = rate === undefined ? undefined : new TokenBucket(rate);
  const deployment = await siteIfAny(session);
  const hosts = hostsOf(deployment, names); // before anything takes time
  const waves = waveOptions(options);
  planWaves(hosts.map(({ name }) => name), waves);
  const release = await verified(session, await releaseOf(session, deployment, options), deployment?.site.allowedSigners?.file);
  const shipping = { hosts, release, waves };
  if (session.dryRun) return showPlans(session, options, shipping);
  const secrets = await runtimeSecrets(session, deployment, release.manifest.secrets);
  const connect = connectOptions(session, options);
  const quiet = tellWhenSlow(context, hosts);
  const outcomes = await updateFleet(context, {
    ...shipping,
    ...waves,
    rollout,
    connect,
    secrets,
    pace,
    transport: transportOf(options) ?? deployment?.site.transport ?? 'sftp',
    allowDowngrade: options['allowDowngrade'] === true,
    renameDomain: options['renameDomain'] === true,
    skipUnready: options['skipUnready'] === true,
    stealLock: stealLock(options),
    revertOnFailure: options['revertOnFailure'] === true,
    title: (plan) => `${plan.host}: ${summary(plan)}`,
    onPrepared: quiet,
  }).finally(quiet);
  if (outcomes.length > 1 && !session.json) context.emit({ type: 'log', level: 'info', message: outcomeTable(outcomes) });
  const describe = (outcome: ShippedOutcome) => describeShipped(outcome, release);
  return fleetResult(outcomes, { describe, wasInterrupted: context.signal.aborted }).hosts;
}

function transportOf(options: VerbOptions): Transport | undefined {
  const named = word(options['transport']);
  return named === 'sftp' || named === 'registry' ? named : undefined;
}

function waveOptions(options: VerbOptions): WaveOptions {
  const canaries = options['canary'];
  const wave = word(options['wave']);
  return {
    ...(Array.isArray(canaries) ? { canaries: canaries as string[] } : {}),
    ...(wave === undefined ? {} : { waveSize: Number(wave) }),
  };
}

async function showPlans(session: Session, options: VerbOptions, { hosts, release, waves }: Shipping): Promise<readonly ShippedHost[]> {
  const { context } = session;
  const quiet = tellWhenSlow(context, hosts);
  const preparation = { release, connect: connectOptions(session, options), keepOpen: new Set<string>() };
  const { ready, unready } = await prepareHosts(context, hosts, preparation).finally(quiet);
  if (unready.length > 0) throw notReadyError(unready, hosts.length);
  const plans = new Map(ready.map(({ prepared: { plan } }) => [plan.host, plan]));
  const order = planWaves([...plans.keys()], waves);
  for (const [at, wave] of order.entries()) {
    if (order.length > 1) session.print(`Wave ${at + 1}: ${wave.join(', ')}`);
    for (const host of wave) session.print(describePlan(planOf(plans, host)));
  }
  return order.flat().map((host) => {
    const plan = planOf(plans, host);
    return { host, release: plan.release, sentBytes: plan.sendBytes, fullBytes: plan.fullBytes, plan };
  });
}

function planOf(plans: ReadonlyMap<string, UpdatePlan>, host: string): UpdatePlan {
  const plan = plans.get(host);
  if (!plan) throw new Error(`unreachable: ${host} was prepared`);
  return plan;
}

function describeShipped({ plan, ...outcome }: ShippedOutcome, { manifest: { id } }: Release): ShippedHost {
  const sizes = plan ? { sentBytes: plan.sendBytes, fullBytes: plan.fullBytes } : {};
  return { ...describeOutcome(outcome), host: outcome.host, release: id, ...sizes };
}

/** One line a host, for people. */
function outcomeTable(outcomes: readonly ShippedOutcome[]): string {
  return formatTable(
    ['HOST', 'OUTCOME', 'BEFORE', 'WHY'],
    outcomes.map(({ host, state, plan, error }) => [host, stateText(state), plan?.current?.id ?? '-', error ? error.code : '']),
  );
}

/** `--limit-rate` in bytes per second. */
function limitRate(options: VerbOptions): number | undefined {
  const text = word(options['limitRate']);
  if (text === undefined) return undefined;
  const mbitPerSecond = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (mbitPerSecond > 0) return (mbitPerSecond * 1e6) / 8;
  throw wrongUsage(`'${text}' is not a rate`, 'It is a number of megabits per second, such as 20 or 0.5.');
}

/** The release, proven; where the site lists who may sign, that too: by a clock that is right, and before anything is sent. */
async function verified({ context }: Session, { directory, manifest: { id } }: Release, allowedSigners: string | undefined): Promise<Release> {
  const holder: { release?: Release } = {};
  const run = async (report: TaskReport) => {
    holder.release = await verifyRelease(directory, { blobs: false, signal: context.signal, onProgress: report.progress });
    const signer = await verifySignature(context, directory, allowedSigners);
    if (signer) report.detail(describeSigner(signer));
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
