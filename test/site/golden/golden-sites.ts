import path from 'node:path';
import { createContext } from '../../../src/context.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import { renderDeployment } from '../../../src/site/render.ts';
import { zoneFile } from '../../../src/ship/dns/zone-file.ts';
import { fixtures } from '../temporary-site.ts';

export const goldenDirectory = path.join(fixtures, 'golden');
export const goldenSites = ['prosody', 'prosody-closed', 'prosody-public', 'prosody-public-postgresql', 'prosody-public-database', 'prosody-ddns', 'prosody-ddns-challenge', 'prosody-ddns-domain', 'prosody-intranet', 'prosody-shared', 'prose-pod', 'prose-pod-federated', 'static-web'];

/** Every file that a fixture site renders to, by name. */
export async function renderGolden(site: string): Promise<Map<string, string>> {
  const deployment = await loadDeployment(createContext(), path.join(fixtures, `${site}.yaml`));
  const references = new Map(deployment.recipe.components.map(({ name, repository, version }) => [name, `${repository}:${version}-0123456789ab`]));
  const { compose, files, hostFiles } = await renderDeployment(deployment, references);
  const { rollout, data, accounts, host, packages, steps, dns, processes } = deployment.recipe;
  const onHost = host && { files: host.files.map(({ path: target, mode, uid, gid, action }) => ({ path: target, mode, uid, gid, action })), actions: host.actions, checks: host.checks };
  return new Map([
    ['compose.yaml', compose],
    ['policy.json', `${JSON.stringify({ rollout, data, accounts, host: onHost, packages, processes, steps }, undefined, 2)}\n`],
    ...(dns ? [['dns.zone', zoneFile(dns, deployment.site.domain)] as const] : []),
    ...[...files, ...hostFiles].map(({ name, content }) => [name, content.toString()] as const),
  ]);
}
