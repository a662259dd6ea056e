import type { DataPolicy } from '../model.ts';
import type { RecipeInput } from '../schema/recipe-schema.ts';
import { isDomain } from '../schema/words.ts';
import { suggest } from '../yaml/nearest.ts';
import type { Problems } from '../yaml/problems.ts';
import type { Path } from '../yaml/source-document.ts';
import { adoptFailure } from '../recipe/components.ts';
import { namesOf, type Surroundings } from '../recipe/conditions.ts';

/** The service that renames data must be one, and there must be names to rename. */
export function checkData({ data, rollout }: RecipeInput, problems: Problems): void {
  if (!data.rename) return;
  const services = rollout.services.map(({ name }) => name);
  if (!services.includes(data.rename.service)) {
    problems.add(['data', 'rename', 'service'], 'E_UNKNOWN_SERVICE', `There is no service '${data.rename.service}'`, suggest(data.rename.service, services, 'Services'));
  }
  if (Object.keys(data.names).length === 0) {
    problems.addToKey(['data', 'rename'], 'E_MISSING_VALUE', 'There is nothing to rename: `data.names` is missing', "Say under which names the data is kept: `names: {domain: '{{ site.domain }}'}`.");
  }
}

/** The recipe's data with its templates rendered; without keys for what the recipe does not say, so that its releases keep their ids. */
export async function makeData({ data }: RecipeInput, version: number, surroundings: Surroundings): Promise<DataPolicy> {
  const names: Record<string, string> = {};
  for (const [key, text] of Object.entries(data.names)) {
    const at = ['data', 'names', key];
    const name = (await renderAt(text, at, surroundings)).trim();
    if (name === '') continue;
    if (!isDomain(name)) surroundings.problems.add(at, 'E_BAD_VALUE', `The name '${text}' renders to '${name}', which is no domain`, 'Names are such as example.org.');
    names[key] = name;
  }
  const impossible = (await renderAt(data.renameImpossible, ['data', 'renameImpossible'], surroundings)).replaceAll(/\s+/g, ' ').trim();
  const command: string[] = [];
  for (const [index, word] of (data.rename?.command ?? []).entries()) command.push(await renderAt(word, ['data', 'rename', 'command', index], surroundings));
  return {
    version,
    volumes: namesOf(data.volumes),
    ...(Object.keys(names).length > 0 ? { names } : {}),
    ...(data.rename && impossible === '' ? { rename: { service: data.rename.service, command } } : {}),
    ...(impossible === '' ? {} : { renameImpossible: impossible }),
  };
}

function renderAt(text: string, at: Path, { engine, scope, problems }: Surroundings): Promise<string> {
  return engine.renderText(text, scope, problems.document.placeOf(at)).catch((error: unknown) => adoptFailure(error, at, problems));
}
