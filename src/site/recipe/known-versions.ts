import type { RecipeInput } from '../schema/recipe-schema.ts';
import type { SiteInput } from '../schema/site-schema.ts';
import { suggest } from '../yaml/nearest.ts';
import type { Problems } from '../yaml/problems.ts';

type KnownVersions = RecipeInput['knownVersions'][number];

/** Every set has a version for each component and nothing else, and the recipe's own versions are the newest set. */
export function checkKnownVersions({ components, knownVersions }: RecipeInput, problems: Problems): void {
  const names = Object.keys(components);
  const before = problems.all.length;
  for (const [index, { components: versions }] of knownVersions.entries()) {
    const at = ['knownVersions', index, 'components'];
    for (const name of Object.keys(versions).filter((one) => !names.includes(one))) {
      problems.addToKey([...at, name], 'E_UNKNOWN_COMPONENT', `There is no component '${name}'`, suggest(name, names, 'Components'));
    }
    const absent = names.filter((name) => versions[name] === undefined);
    if (absent.length > 0) problems.add(at, 'E_MISSING_VALUE', `This set has no version for ${absent.join(', ')}`, 'Versions fit only as a whole: name every component.');
  }
  const newest = knownVersions.at(-1);
  if (!newest || problems.all.length > before) return;
  for (const name of differing(newest, versionsOf(components))) {
    const wanted = newest.components[name] ?? '';
    problems.add(['components', name, 'version'], 'E_UNKNOWN_VERSIONS', `The version of '${name}' is not that of the newest set, '${newest.name}'`, `Write ${wanted}, or add a set to \`knownVersions\`.`);
  }
}

/** The versions that the site chose must be one known set. */
export function checkChosenVersions(recipe: RecipeInput, site: SiteInput, problems: Problems): void {
  const { knownVersions } = recipe;
  if (knownVersions.length === 0 || chosenSet(recipe, site)) return;
  const chosen = chosenVersions(recipe, site);
  // Of two that are equally near, the newer one.
  const nearest = knownVersions.reduce((best, one) => (differing(one, chosen).length <= differing(best, chosen).length ? one : best));
  const remedies = differing(nearest, chosen).map((name) => `${name} ${nearest.components[name] ?? ''}`);
  const sets = knownVersions.map(({ name, components }) => `${name} (${Object.entries(components).map((pair) => pair.join(' ')).join(', ')})`);
  problems.addToKey(
    ['components'],
    'E_UNKNOWN_VERSIONS',
    `Nobody knows whether these versions fit together: ${Object.entries(chosen).map((pair) => pair.join(' ')).join(', ')}`,
    `Nearest is '${nearest.name}': ${remedies.join(', ')}. Known: ${sets.join('; ')}.`,
  );
}

/** `data.version` with the versions that the site chose. */
export function dataVersionOf(recipe: RecipeInput, site: SiteInput): number {
  return chosenSet(recipe, site)?.dataVersion ?? recipe.data.version;
}

/** Component → version, the site's where it has one. */
function chosenVersions(recipe: RecipeInput, site: SiteInput): Record<string, string> {
  return Object.fromEntries(Object.entries(versionsOf(recipe.components)).map(([name, version]) => [name, site.components[name]?.version ?? version]));
}

function chosenSet(recipe: RecipeInput, site: SiteInput): KnownVersions | undefined {
  const chosen = chosenVersions(recipe, site);
  return recipe.knownVersions.findLast((set) => differing(set, chosen).length === 0);
}

function versionsOf(components: RecipeInput['components']): Record<string, string> {
  return Object.fromEntries(Object.entries(components).map(([name, { version }]) => [name, version]));
}

function differing({ components }: KnownVersions, versions: Readonly<Record<string, string>>): string[] {
  return Object.keys(versions).filter((name) => components[name] !== versions[name]);
}
