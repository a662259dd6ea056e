import path from 'node:path';
import type { Context } from '../context.ts';
import { ConfigurationError, ShipError } from '../errors.ts';
import { parsePlatform } from '../oci/platform.ts';
import { Secret } from '../secret.ts';
import { readAllowedSigners, type AllowedSigners } from './allowed-signers.ts';
import { makeData } from './data/make-data.ts';
import { makeDns } from './dns/make-dns.ts';
import { makeHostPolicy } from './host/host-files.ts';
import { makeProcesses } from './host/processes.ts';
import type { Deployment, Host, RetentionPolicy } from './model.ts';
import { expandHome, homeDirectory, makeOs, recipePackages, recipeRequirements } from './os-settings.ts';
import { checkRecipe, checkUnique } from './recipe/check-recipe.ts';
import { checkOverrides, makeComponents } from './recipe/components.ts';
import { conditionScope, narrowRecipe } from './recipe/conditions.ts';
import { applyRules, makeSteps } from './recipe/guidance.ts';
import { checkChosenVersions, dataVersionOf } from './recipe/known-versions.ts';
import { locateRecipe } from './recipe/locate-recipe.ts';
import { applyProfile } from './recipe/profiles.ts';
import { makeAccounts, makeRollout } from './recipe/rollout.ts';
import { checkValues } from './recipe/variable-definitions.ts';
import { makeVariables } from './recipe/variables.ts';
import { renderDeployment } from './render.ts';
import { include } from './schema/recipe/include-schema.ts';
import { recipeSchema, type RecipeInput } from './schema/recipe-schema.ts';
import { parseSize } from './schema/os-words.ts';
import type { RetentionInput } from './schema/retention-schema.ts';
import { siteSchema, type SiteInput } from './schema/site-schema.ts';
import { createEngine } from './template/engine.ts';
import { makeFileTemplate } from './template/file-template.ts';
import { templateScope } from './template/scope.ts';
import { Problems } from './yaml/problems.ts';
import { readWithIncludes } from './yaml/read-includes.ts';
import { readSourceDocument, type Path } from './yaml/source-document.ts';
import { validate } from './yaml/validate.ts';

/**
 * Reads a site file and its recipe, checks both against each other and renders all templates once, so that what it gives
 * back can be built and released. Secrets stay unresolved (see `resolveSecrets`): nothing is run, nothing is fetched.
 * @throws ConfigurationError with every problem found, each with its place and remedy
 */
export async function loadDeployment(context: Context, siteFile: string): Promise<Deployment> {
  context.signal.throwIfAborted();
  const file = path.resolve(siteFile);
  const directory = path.dirname(file);
  const siteProblems = new Problems(
    await read(() => readSourceDocument(file, 'site file', 'Run `prose-ship init` to write one, or name it with `--config FILE`.')),
  );
  const site = validate(siteSchema, siteProblems, isSecret);
  const raw = asMap(siteProblems.document.value);
  const recipeFile = typeof raw['recipe'] === 'string' && raw['recipe'] !== '' ? await locateRecipe(raw['recipe'], directory, siteProblems) : undefined;

  if (recipeFile === undefined) throw new ConfigurationError(siteProblems.all);
  const recipeProblems = new Problems(await read(() => readWithIncludes(recipeFile, 'recipe', 'Check the path.', include)));
  const recipe = validate(recipeSchema, recipeProblems);
  const definitions = recipe && applyProfile(recipe, raw['profile'], siteProblems);
  if (recipe) {
    await checkRecipe(recipe, path.dirname(recipeFile), recipeProblems);
    checkValues(definitions ?? withoutRequired(recipe.variables), asMap(raw['variables']), asMap(raw['secrets']), siteProblems);
    if (site) await checkOverrides(site, recipe, directory, siteProblems);
    if (site && recipeProblems.all.length === 0) checkChosenVersions(recipe, site, siteProblems);
  }
  if (site) checkUnique(site.platforms, ['platforms'], siteProblems);
  throwAll(siteProblems, recipeProblems);
  if (!site || !recipe || !definitions) throw new TypeError('A document without problems has a value');

  const profile = site.profile ?? recipe.defaultProfile;
  const inputs = { context, file, site: { ...site, ...(profile === undefined ? {} : { profile }) }, recipeFile, recipe: { ...recipe, variables: definitions }, siteProblems, recipeProblems };
  const deployment = await assemble(inputs);
  throwAll(siteProblems, recipeProblems);
  await renderDeployment(deployment, placeholderReferences(deployment));
  return freeze(deployment);
}

/** What lies below here is, or may hold, a secret. */
function isSecret(at: Path): boolean {
  return (at[0] === 'secrets' && at.length > 1) || at.join('.').startsWith('os.wifi.network.passphrase');
}

/** Where the profile is not known, nobody can say what is missing. */
function withoutRequired(definitions: RecipeInput['variables']): RecipeInput['variables'] {
  return Object.fromEntries(Object.entries(definitions).map(([name, definition]) => [name, { ...definition, required: false }]));
}

interface Loaded {
  readonly context: Context;
  readonly file: string;
  /** With the profile that holds, be it the recipe's default. */
  readonly site: SiteInput;
  readonly recipeFile: string;
  /** Its variables as the site's profile defines them. */
  readonly recipe: RecipeInput;
  readonly siteProblems: Problems;
  readonly recipeProblems: Problems;
}

async function assemble({ context, file, site, recipeFile, recipe: whole, siteProblems, recipeProblems }: Loaded): Promise<Deployment> {
  const home = homeDirectory(context);
  const siteDirectory = path.dirname(file);
  const recipeDirectory = path.dirname(recipeFile);
  const engine = createEngine(recipeDirectory);
  const variables = await makeVariables(site, siteDirectory, whole, engine, siteProblems, recipeProblems);
  const scope = templateScope(site, whole, variables);
  const conditions = { engine, scope: conditionScope(scope, whole, site.components), problems: recipeProblems };
  await applyRules(context, whole, conditions, siteProblems);
  // What else would be wrong with refused values follows from them, and is no fault of the recipe.
  if (siteProblems.all.length > 0) throwAll(siteProblems, recipeProblems);
  const recipe = narrowRecipe(whole, conditions);
  const components = await makeComponents({ site, siteDirectory, recipe, recipeDirectory, variables, scope, engine }, recipeProblems);
  const accounts = await makeAccounts(recipe, engine, scope, recipeProblems);
  const allowedSigners = await makeAllowedSigners(site, siteDirectory, home, siteProblems);
  const dns = await makeDns(recipe.dns, engine, scope, recipeProblems);
  const os = await makeOs({ site, siteDirectory, recipe, engine, scope, home }, siteProblems, recipeProblems);
  const host = await makeHostPolicy(recipe, { recipeDirectory, engine, scope, problems: recipeProblems });
  const steps = await makeSteps(recipe, { engine, scope, problems: recipeProblems });
  const data = await makeData(recipe, dataVersionOf(whole, site), { engine, scope, problems: recipeProblems });
  const packages = recipePackages(recipe);
  const profile = site.profile === undefined ? undefined : recipe.profiles?.[site.profile];
  const withoutEngine = profile?.engine === 'none';
  if (withoutEngine && site.os) siteProblems.add(['os'], 'E_NEEDS_ENGINE', `A card has an engine, and the profile '${site.profile ?? ''}' is for hosts without one`, 'Remove `os`, or choose another profile.');
  const processes = withoutEngine ? await makeProcesses(recipe, conditions) : undefined;
  return {
    site: {
      file,
      name: site.name,
      version: site.version,
      domain: site.domain,
      ...(site.profile === undefined ? {} : { profile: site.profile }),
      platforms: site.platforms.flatMap((platform) => parsePlatform(platform) ?? []),
      hosts: Object.entries(site.hosts).map(([name, host]) => ({ ...makeHost(name, host), ...(withoutEngine ? { engine: 'none' as const } : {}) })),
      ...(withoutEngine ? { engine: 'none' } : {}),
      ...(profile && profile.ports.length > 0 ? { portVariables: profile.ports } : {}),
      transport: site.transport,
      ...(site.retention ? { retention: makeRetention(site.retention) } : {}),
      ...(os ? { os: { ...os, ...(allowedSigners ? { allowedSigners: allowedSigners.content } : {}) } } : {}),
      ...(site.signing ? { signing: { key: path.resolve(siteDirectory, expandHome(site.signing.key, home)) } } : {}),
      ...(allowedSigners ? { allowedSigners } : {}),
    },
    recipe: {
      file: recipeFile,
      directory: recipeDirectory,
      name: recipe.name,
      version: recipe.version,
      components,
      composeTemplate: path.resolve(recipeDirectory, recipe.compose),
      files: await Promise.all(Object.entries(recipe.files).map(([name, file]) => makeFileTemplate(name, file, recipeDirectory))),
      rollout: await makeRollout(recipe, engine, conditions.scope, recipeProblems),
      ...(dns.length > 0 ? { dns } : {}),
      requires: withoutEngine ? {} : recipeRequirements(recipe),
      data,
      ...(accounts ? { accounts } : {}),
      ...(host ? { host } : {}),
      ...(packages.length > 0 ? { packages } : {}),
      ...(processes ? { processes } : {}),
      ...(steps.length > 0 ? { steps } : {}),
    },
    variables,
  };
}

/** The key that signs is another matter: it need not be on this machine. */
async function makeAllowedSigners({ allowedSigners }: SiteInput, directory: string, home: string, problems: Problems): Promise<AllowedSigners | undefined> {
  if (allowedSigners === undefined) return undefined;
  try {
    return await readAllowedSigners(path.resolve(directory, expandHome(allowedSigners, home)));
  } catch (error) {
    if (!(error instanceof ShipError)) throw error;
    problems.add(['allowedSigners'], error.code, error.message, error.remedy ?? '');
    return undefined;
  }
}

function makeHost(name: string, host: SiteInput['hosts'][string]): Host {
  const { address, user, port } = typeof host === 'string' ? { address: host } : host;
  const at = address.indexOf('@');
  const login = user ?? (at > 0 ? address.slice(0, at) : undefined);
  return { name, address: address.slice(at + 1), ...(login === undefined ? {} : { user: login }), ...(port === undefined ? {} : { port }) };
}

function makeRetention({ releases, diskBudget }: RetentionInput): RetentionPolicy {
  const diskBudgetBytes = diskBudget === undefined ? undefined : parseSize(diskBudget);
  return { releases, ...(diskBudgetBytes === undefined ? {} : { diskBudgetBytes }) };
}

/** References of the right shape for a rendering that only looks for mistakes. */
function placeholderReferences({ recipe }: Deployment): Map<string, string> {
  return new Map(recipe.components.map(({ name, repository, version }) => [name, `${repository}:${version}-000000000000`]));
}

async function read<Document>(reading: () => Promise<Document>): Promise<Document> {
  try {
    return await reading();
  } catch (error) {
    throw error instanceof ShipError ? new ConfigurationError([error]) : error;
  }
}

function throwAll(...groups: readonly Problems[]): void {
  const all = groups.flatMap((problems) => problems.all);
  if (all.length > 0) throw new ConfigurationError(all);
}

function asMap(value: unknown): Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function freeze<Value>(value: Value): Value {
  if (value === null || typeof value !== 'object' || value instanceof Secret || Object.isFrozen(value)) return value;
  Object.freeze(value);
  Object.values(value).forEach(freeze);
  return value;
}
