import path from 'node:path';
import type { Context } from '../context.ts';
import { ConfigurationError, ExitStatus, ShipError } from '../errors.ts';
import { formatPlatform, samePlatform, type Platform } from '../oci/platform.ts';
import type { Component, Deployment, Source } from '../site/model.ts';
import type { Secret } from '../secret.ts';

/** Where base images come from: a registry, Debian's packages, or whichever of the two can be had. */
export type BasesProvider = 'auto' | 'registry' | 'bootstrap';

export interface BuildOptions {
  /** Names; without it all of them. */
  readonly components?: readonly string[];
  /** Without it those of the site. */
  readonly platforms?: readonly Platform[];
  /** A buildx builder; without it the engine's own. */
  readonly builder?: string;
  readonly bases?: BasesProvider;
  /** One folder per component is made in it. */
  readonly outputDirectory: string;
  /** BuildKit's layer cache is read from and written to a folder per component in these, for CI. */
  readonly cacheFrom?: string;
  readonly cacheTo?: string;
  readonly noCache?: boolean;
  /** Read for SOURCE_DATE_EPOCH. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export interface BuildPlan {
  readonly platforms: readonly Platform[];
  /** Seconds; every file and image of the build carries this time. */
  readonly sourceDateEpoch: number;
  readonly builder?: string;
  readonly bases: BasesProvider;
  readonly noCache: boolean;
  readonly components: readonly ComponentBuild[];
}

/** One run of buildx. */
export interface ComponentBuild {
  readonly component: string;
  readonly source: Source;
  readonly dockerfile: string;
  readonly target?: string;
  readonly args: Readonly<Record<string, string>>;
  /** BuildKit's ids; the values stay in the deployment. */
  readonly secretIds: readonly string[];
  /** FROM references that the provider supplies. */
  readonly bases: readonly string[];
  /** Where the OCI layout goes. */
  readonly layoutDirectory: string;
  readonly cacheFrom?: string;
  readonly cacheTo?: string;
}

/** Component → BuildKit's secret id → value; kept apart from the plan, which is printed. */
export type BuildSecrets = Readonly<Record<string, Readonly<Record<string, Secret>>>>;

/**
 * 2025-01-01T00:00:00Z. It never moves: files of a layer carry it, so another value would change every layer and no
 * update could leave out what a host has already.
 */
export const defaultSourceDateEpoch = 1_735_689_600;

/**
 * What buildx will be asked to do, computed without touching anything.
 * @throws ConfigurationError E_COMPONENT_UNKNOWN, E_PLATFORM_NOT_IN_SITE, E_SOURCE_DATE_EPOCH
 */
export function planBuild(deployment: Deployment, options: BuildOptions): BuildPlan {
  const { recipe, site } = deployment;
  const problems = [...unknownComponents(recipe.components, options), ...foreignPlatforms(site.platforms, options)];
  const sourceDateEpoch = readSourceDateEpoch(options.environment?.['SOURCE_DATE_EPOCH']);
  if (sourceDateEpoch instanceof ShipError) problems.push(sourceDateEpoch);
  if (problems.length > 0) throw new ConfigurationError(problems);
  const wanted = options.components ?? [];
  return freeze({
    platforms: (options.platforms ?? site.platforms).map((platform) => ({ ...platform })),
    sourceDateEpoch: sourceDateEpoch as number,
    ...(options.builder ? { builder: options.builder } : {}),
    bases: options.bases ?? 'auto',
    noCache: options.noCache ?? false,
    components: recipe.components
      .filter(({ name }) => wanted.length === 0 || wanted.includes(name))
      .map((component) => planComponent(component, options)),
  });
}

export function buildSecrets(deployment: Deployment): BuildSecrets {
  return Object.fromEntries(deployment.recipe.components.map(({ name, secrets }) => [name, secrets]));
}

function planComponent(component: Component, options: BuildOptions): ComponentBuild {
  const { name } = component;
  return {
    component: name,
    source: { ...component.source },
    dockerfile: component.dockerfile,
    ...(component.target ? { target: component.target } : {}),
    args: { COMPONENT_VERSION: component.version, ...component.args },
    secretIds: Object.keys(component.secrets),
    bases: [...component.bases],
    layoutDirectory: path.join(options.outputDirectory, name),
    ...(options.cacheFrom ? { cacheFrom: path.join(options.cacheFrom, name) } : {}),
    ...(options.cacheTo ? { cacheTo: path.join(options.cacheTo, name) } : {}),
  };
}

function unknownComponents(components: readonly Component[], options: BuildOptions): ShipError[] {
  const names = components.map(({ name }) => name);
  return (options.components ?? [])
    .filter((name) => !names.includes(name))
    .map((name) => usage('E_COMPONENT_UNKNOWN', `The recipe has no component '${name}'`, `Components: ${names.join(', ')}.`));
}

function foreignPlatforms(platforms: readonly Platform[], options: BuildOptions): ShipError[] {
  return (options.platforms ?? [])
    .filter((wanted) => !platforms.some((platform) => samePlatform(platform, wanted)))
    .map((wanted) =>
      usage(
        'E_PLATFORM_NOT_IN_SITE',
        `The site is not for the platform '${formatPlatform(wanted)}'`,
        `Add it to \`platforms\` of the site file; it has ${platforms.map(formatPlatform).join(', ')}.`,
      ),
    );
}

/** The date of everything that is made: SOURCE_DATE_EPOCH, else a fixed one. @throws ShipError E_SOURCE_DATE_EPOCH */
export function sourceDateEpochOf(environment: Context['environment']): number {
  const epoch = readSourceDateEpoch(environment['SOURCE_DATE_EPOCH']);
  if (epoch instanceof ShipError) throw epoch;
  return epoch;
}

/** reproducible-builds.org, SOURCE_DATE_EPOCH specification: decimal seconds. */
function readSourceDateEpoch(text: string | undefined): number | ShipError {
  if (text === undefined || text === '') return defaultSourceDateEpoch;
  if (/^\d{1,11}$/.test(text)) return Number(text);
  return usage('E_SOURCE_DATE_EPOCH', `SOURCE_DATE_EPOCH is '${text}', which is not a number of seconds`, 'Unset it, or give seconds since 1970.');
}

function usage(code: `E_${string}`, message: string, remedy: string): ShipError {
  return new ShipError({ code, message, remedy, exitStatus: ExitStatus.usage });
}

function freeze<T extends object>(value: T): T {
  for (const child of Object.values(value)) {
    if (typeof child === 'object' && child !== null) freeze(child as object);
  }
  return Object.freeze(value);
}
