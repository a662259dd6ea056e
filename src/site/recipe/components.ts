import path from 'node:path';
import { Secret } from '../../secret.ts';
import type { Component, Source, VariableValue } from '../model.ts';
import type { RecipeInput } from '../schema/recipe-schema.ts';
import type { SiteInput } from '../schema/site-schema.ts';
import type { SourceInput } from '../schema/source-schema.ts';
import { UnsetSecret } from '../secrets.ts';
import { TemplateFailure, type Engine } from '../template/engine.ts';
import { suggest } from '../yaml/nearest.ts';
import type { Problems } from '../yaml/problems.ts';
import { kindOf } from '../yaml/source-document.ts';
import { programDirectory } from './locate-recipe.ts';

/** The absolute path of a Dockerfile or source folder: beside the file that names it, else one of prose-ship's own. */
export async function findBuildFile(directory: string, name: string, kind: 'file' | 'directory'): Promise<string | undefined> {
  const candidates = [path.resolve(directory, name), ...(name.startsWith('dockerfiles/') ? [path.join(programDirectory, name)] : [])];
  for (const candidate of candidates) if ((await kindOf(candidate)) === kind) return candidate;
  return undefined;
}

/** Checks the site's changes to components against the recipe. */
export async function checkOverrides(site: SiteInput, recipe: RecipeInput, siteDirectory: string, problems: Problems): Promise<void> {
  const components = Object.keys(recipe.components);
  for (const [name, { source }] of Object.entries(site.components)) {
    if (!components.includes(name)) {
      problems.addToKey(['components', name], 'E_UNKNOWN_COMPONENT', `The recipe has no component '${name}'`, suggest(name, components, 'Its components'));
    }
    if (typeof source === 'string' && !(await findBuildFile(siteDirectory, source, 'directory'))) {
      problems.add(['components', name, 'source'], 'E_MISSING_FILE', `The source folder '${source}' does not exist`, 'Paths are relative to the site file.');
    }
  }
  const without = components.filter((name) => recipe.components[name]?.source === undefined && site.components[name]?.source === undefined);
  for (const name of without) {
    const remedy = `Add it: components: {${name}: {source: ...}}, a folder, {git: {url, commit}} or {url, sha256}.`;
    problems.addToKey(['components', name], 'E_MISSING_SOURCE', `The recipe leaves the source of '${name}' to the site, which has none`, remedy);
  }
}

export interface ComponentSurroundings {
  readonly site: SiteInput;
  readonly siteDirectory: string;
  readonly recipe: RecipeInput;
  readonly recipeDirectory: string;
  readonly variables: Readonly<Record<string, VariableValue>>;
  readonly scope: Readonly<Record<string, unknown>>;
  readonly engine: Engine;
}

/** The recipe's components with the site's changes, paths absolute, build arguments rendered. */
export async function makeComponents(surroundings: ComponentSurroundings, problems: Problems): Promise<Component[]> {
  const { site, siteDirectory, recipe, recipeDirectory, variables, engine } = surroundings;
  const made: Component[] = [];
  for (const [name, component] of Object.entries(recipe.components)) {
    const override = site.components[name] ?? {};
    const version = override.version ?? component.version;
    const scope = { ...surroundings.scope, component: { name, version } };
    const args: Record<string, string> = {};
    for (const [argument, value] of Object.entries(component.args)) {
      const at = ['components', name, 'args', argument];
      args[argument] = await engine.renderText(value, scope, problems.document.placeOf(at)).catch((error: unknown) => adoptFailure(error, at, problems));
    }
    const secrets = Object.entries(component.secrets).flatMap(([id, variable]) => {
      const value = variables[variable];
      return value instanceof Secret && !(value instanceof UnsetSecret) ? [[id, value] as const] : [];
    });
    made.push({
      name,
      repository: component.image,
      version,
      source: await chooseSource(component.source, override.source, { recipeDirectory, siteDirectory }),
      dockerfile: (await findBuildFile(recipeDirectory, component.dockerfile, 'file')) ?? path.resolve(recipeDirectory, component.dockerfile),
      ...(component.target === undefined ? {} : { target: component.target }),
      args: { ...args, ...override.args },
      secrets: Object.fromEntries(secrets),
      bases: component.bases,
    });
  }
  return made;
}

/** Adds the problems of a template to a document's; anything else goes on. */
export function adoptFailure(error: unknown, at: readonly (string | number)[], problems: Problems): string {
  if (!(error instanceof TemplateFailure)) throw error;
  for (const problem of error.problems) problems.adopt(at, problem);
  return '';
}

async function chooseSource(
  recipe: SourceInput | undefined,
  site: SourceInput | undefined,
  { recipeDirectory, siteDirectory }: Pick<ComponentSurroundings, 'recipeDirectory' | 'siteDirectory'>,
): Promise<Source> {
  if (site !== undefined) return resolveSource(site, siteDirectory);
  if (recipe === undefined) throw new TypeError('checkOverrides has asked for it');
  return resolveSource(recipe, recipeDirectory);
}

async function resolveSource(source: SourceInput, directory: string): Promise<Source> {
  if (typeof source === 'string') {
    return { kind: 'local', directory: (await findBuildFile(directory, source, 'directory')) ?? path.resolve(directory, source) };
  }
  if ('url' in source) return { kind: 'url', ...source };
  const { url, commit, subdirectory } = source.git;
  return { kind: 'git', url, commit, ...(subdirectory === undefined ? {} : { subdirectory }) };
}
