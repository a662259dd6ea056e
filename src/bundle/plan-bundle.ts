import { dockerPackages } from '../bake/engine-source/engine-source.ts';
import { debianEnginePackages, updaterPrograms } from '../device/provision/programs.ts';
import { ExitStatus, ShipError } from '../errors.ts';
import { debianArchitecture, distinctPlatforms, formatPlatform, samePlatform, type Platform } from '../oci/platform.ts';
import type { ReleaseManifest } from '../release/manifest.ts';
import type { Release } from '../release/read-release.ts';
import { releasePlatforms } from '../release/rollout-plan.ts';
import type { Deployment, OsSettings } from '../site/model.ts';

/** Releases of Debian, and of the Raspberry Pi OS made of them, that a bundle can be for. */
export const bundleSuites = { trixie: 'Debian 13', bookworm: 'Debian 12' } as const;
export type BundleSuite = keyof typeof bundleSuites;

/** What a bundle will hold; nothing was touched to find it out. */
export interface BundlePlan {
  /** Absolute: the folder that becomes the bundle. */
  readonly directory: string;
  readonly release: string;
  readonly suite: BundleSuite;
  /** Of the hosts; `architecture` is Debian's name. */
  readonly platforms: readonly { readonly platform: Platform; readonly architecture: string }[];
  /** Whose packages the engine's are. */
  readonly engine: NonNullable<OsSettings['engine']>;
  /** Of the engine and Compose. */
  readonly enginePackages: readonly string[];
  /** Those that the recipe needs on the host. */
  readonly packages: readonly string[];
  /** Names of the secrets that a host is asked for; what it makes itself is not among them. */
  readonly secrets: readonly string[];
}

export interface BundleRequest {
  readonly directory: string;
  readonly suite: BundleSuite;
  /** Default: all of the release. */
  readonly platforms?: readonly Platform[] | undefined;
}

/**
 * @throws ShipError E_WRONG_ARCHITECTURE (exit status 3) for a platform that the release, or Debian, does not have;
 * E_NEEDS_ENGINE (exit status 2) for a profile without an engine
 */
export function planBundle({ site, recipe }: Pick<Deployment, 'site' | 'recipe'>, { manifest }: Release, { directory, suite, platforms }: BundleRequest): BundlePlan {
  if (recipe.processes) {
    throw new ShipError({
      code: 'E_NEEDS_ENGINE',
      message: `A bundle installs an engine as root, and the profile '${site.profile ?? ''}' of ${site.file} is for hosts without one`,
      remedy: 'Choose another profile; a host on which nobody is root is reached by `prose-ship update`.',
      exitStatus: ExitStatus.usage,
    });
  }
  const engine = site.os?.engine ?? (suite === 'bookworm' ? 'docker' : 'debian');
  const { generatedSecrets = [] } = manifest;
  return Object.freeze({
    directory,
    release: manifest.id,
    suite,
    platforms: distinctPlatforms(platforms ?? releasePlatforms(manifest)).map((platform) => ({ platform, architecture: architectureOf(platform, manifest) })),
    engine,
    enginePackages: engine === 'debian' ? debianEnginePackages : dockerPackages,
    packages: recipe.packages ?? [],
    secrets: manifest.secrets.filter((name) => !generatedSecrets.includes(name)),
  });
}

/** Everything that is fetched for a host: the engine, what the updater runs, what the recipe needs. */
export function allPackages({ enginePackages, packages }: BundlePlan): readonly string[] {
  // apparmor: the engine refuses to run containers where the kernel has it and its tools are missing.
  return [...new Set([...enginePackages, 'apparmor', 'ca-certificates', ...updaterPrograms.map(({ debianPackage }) => debianPackage), ...packages])].sort();
}

function architectureOf(platform: Platform, manifest: ReleaseManifest): string {
  const architecture = debianArchitecture(platform);
  const has = releasePlatforms(manifest);
  if (architecture !== undefined && has.some((one) => samePlatform(one, platform))) return architecture;
  throw new ShipError({
    code: 'E_WRONG_ARCHITECTURE',
    message:
      architecture === undefined ? `Debian has no packages for ${formatPlatform(platform)}` : `Release ${manifest.id} has no images for ${formatPlatform(platform)}, only for ${has.map(formatPlatform).join(', ')}`,
    remedy: 'Name another platform with --platform.',
    exitStatus: ExitStatus.preflight,
  });
}
