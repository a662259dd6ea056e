import path from 'node:path';
import { createContext } from '../../../src/context.ts';
import { loadDeployment } from '../../../src/site/load.ts';
import { renderDeployment } from '../../../src/site/render.ts';
import { fixtures } from '../temporary-site.ts';

export const goldenDirectory = path.join(fixtures, 'golden');
export const goldenSites = ['prosody', 'prosody-closed', 'static-web'];

/** Every file that a fixture site renders to, by name. */
export async function renderGolden(site: string): Promise<Map<string, string>> {
  const deployment = await loadDeployment(createContext(), path.join(fixtures, `${site}.yaml`));
  const references = new Map(deployment.recipe.components.map(({ name, repository, version }) => [name, `${repository}:${version}-0123456789ab`]));
  const { compose, files } = await renderDeployment(deployment, references);
  const { rollout, data, accounts } = deployment.recipe;
  return new Map([
    ['compose.yaml', compose],
    ['policy.json', `${JSON.stringify({ rollout, data, accounts }, undefined, 2)}\n`],
    ...files.map(({ name, content }) => [name, content.toString()] as const),
  ]);
}
