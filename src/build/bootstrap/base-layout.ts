import { createReadStream } from 'node:fs';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import pLimit from 'p-limit';
import type { Context } from '../../context.ts';
import { ShipError } from '../../errors.ts';
import { acquireLease } from '../../host/engine/lease.ts';
import { exists } from '../../host/files.ts';
import { run } from '../../host/process.ts';
import { MediaType, type Descriptor, type ImageConfig } from '../../oci/descriptor.ts';
import { debianArchitecture, formatPlatform, samePlatform, type Platform } from '../../oci/platform.ts';
import { readLayout, writeBlob, writeLayout } from '../../oci/layout.ts';
import { findAptSources, formatAptSources, parseAptSources } from './apt-sources.ts';
import { mmdebstrap, type BootstrapStep, type DebianBase } from './mmdebstrap.ts';
import { usableAptSources } from './probe-sources.ts';

export interface BootstrapRequest {
  readonly base: DebianBase;
  readonly platforms: readonly Platform[];
  readonly sourceDateEpoch: number;
  readonly onLine?: (line: string) => void;
  readonly onWarning?: (message: string) => void;
}

export interface BootstrappedBase {
  /** OCI layout with one image index named `tag`. */
  readonly directory: string;
  readonly tag: string;
  /** The platforms that had to be made; empty when all of them were in the cache. */
  readonly made: readonly Platform[];
  /** deb822, the mirror that it was made from; absent where that is Debian's ordinary one. */
  readonly sourcesFile?: string;
}

type AptSources = Pick<BootstrapStep, 'sourcesFile' | 'suites'>;

const sourcesName = 'apt.sources';

/** Raised when what is made changes, so that old bases are not taken for new ones. */
const recipeVersion = 2;
const raspberryPiArchitectures = ['arm64', 'armhf'];
/** Each is one busy process, emulated at that. */
const atOnce = 2;

/**
 * A base image from Debian's packages, kept in the cache and reused: its layer, once made, stays the same, so hosts that
 * have it never get it again. Delete the folder to take Debian's newest packages in.
 * @throws ShipError E_BASE_PLATFORM for a platform that Debian does not have; E_BOOTSTRAP_FAILED
 */
export async function bootstrapBase(context: Context, request: BootstrapRequest): Promise<BootstrappedBase> {
  const { base } = request;
  const tag = base.slim ? `${base.suite}-slim` : base.suite;
  const directory = path.join(context.cacheDirectory, 'bases', `debian-${tag}-${recipeVersion}-${request.sourceDateEpoch}`);
  const lease = await acquireLease(context, path.join(directory, 'lock'), 'exclusive');
  try {
    const sources = await provideSources(context, request, directory);
    const made = await makeMissing(context, request, directory, tag, sources);
    return { directory, tag, made, ...(sources.sourcesFile ? { sourcesFile: sources.sourcesFile } : {}) };
  } finally {
    await lease.release();
  }
}

/** What was made is kept even where another platform failed, so that a second attempt has less to do. */
async function makeMissing(
  context: Context,
  request: BootstrapRequest,
  directory: string,
  tag: string,
  sources: AptSources,
): Promise<readonly Platform[]> {
  const present = await readManifests(directory);
  const missing = request.platforms.filter((platform) => !present.some((manifest) => isFor(manifest, platform)));
  if (missing.length === 0) return [];
  const temporary = path.join(directory, 'making');
  await rm(temporary, { recursive: true, force: true }); // of a run that was killed
  await mkdir(temporary);
  try {
    const limit = pLimit(atOnce);
    const outcomes = await Promise.allSettled(
      missing.map((platform) => limit(() => makeImage(context, { request, platform, sources, directory, temporary }))),
    );
    const made = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    if (made.length > 0) await writeLayout(directory, sorted([...present, ...made]), tag);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
    return missing;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

interface Making {
  readonly request: BootstrapRequest;
  readonly platform: Platform;
  readonly sources: AptSources;
  readonly directory: string;
  readonly temporary: string;
}

async function makeImage(context: Context, { request, platform, sources, directory, temporary }: Making): Promise<Descriptor> {
  const { base, sourceDateEpoch } = request;
  const architecture = debianArchitecture(platform);
  if (!architecture) {
    throw new ShipError({
      code: 'E_BASE_PLATFORM',
      message: `Debian has no packages for the platform '${formatPlatform(platform)}'`,
      remedy: 'Use `--bases registry` with an image that has it, or leave the platform out.',
    });
  }
  const tarFile = path.join(temporary, `${architecture}.tar`);
  const isRoot = process.getuid?.() === 0;
  const command = mmdebstrap({ base, architecture, tarFile, ...sources, sourceDateEpoch, isRoot });
  const onLine = (line: string): void => request.onLine?.(`${architecture}: ${line}`);
  await run(context, command, { onLine }).catch((error: unknown) => {
    throw bootstrapFailure(error, base, architecture);
  });
  return writeImage(directory, platform, tarFile, sourceDateEpoch);
}

/**
 * The sources of this base, found once and kept beside it, because build steps on it must use the same ones. Undefined
 * where apt has no mirror: then mmdebstrap's default is also what the image itself names.
 */
async function provideSources(context: Context, request: BootstrapRequest, directory: string): Promise<AptSources> {
  const file = path.join(directory, sourcesName);
  const { suite } = request.base;
  if (!(await exists(file))) {
    // Asked for those of every Pi, too: whichever platform is added to this base later, its packages come from the same places.
    const requested = request.platforms.flatMap((platform) => debianArchitecture(platform) ?? []);
    const architectures = [...new Set([...raspberryPiArchitectures, ...requested])];
    const sources = await usableAptSources(context, await findAptSources(context, suite), architectures, (source) =>
      request.onWarning?.(`${source.suite} cannot be had from this machine's Debian mirror: the base is made without it`),
    );
    await writeFile(file, formatAptSources(sources), { mode: 0o600 });
  }
  const suites = parseAptSources(await readFile(file, 'utf8')).map((source) => source.suite);
  return { suites, ...(suites.length > 0 ? { sourcesFile: file } : {}) };
}

/** Files a root file system as an image of one uncompressed layer, whose digest is its diffID. */
export async function writeImage(directory: string, platform: Platform, tarFile: string, sourceDateEpoch: number): Promise<Descriptor> {
  const created = `${new Date(sourceDateEpoch * 1000).toISOString().slice(0, 19)}Z`;
  const layer = await writeBlob(directory, MediaType.layer, createReadStream(tarFile));
  const config: ImageConfig = {
    ...platform,
    created,
    config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['bash'] },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
    history: [{ created, created_by: 'mmdebstrap' }],
  };
  const configDescriptor = await writeBlob(directory, MediaType.config, Buffer.from(JSON.stringify(config)));
  const manifest = { schemaVersion: 2, mediaType: MediaType.manifest, config: configDescriptor, layers: [layer] };
  return { ...(await writeBlob(directory, MediaType.manifest, Buffer.from(JSON.stringify(manifest)))), platform };
}

/** The images of the layout with their platforms; empty where there is none yet. */
async function readManifests(directory: string): Promise<Descriptor[]> {
  if (!(await exists(path.join(directory, 'index.json')))) return [];
  const images = await readLayout(directory);
  return Promise.all(
    images.map(async ({ manifestDigest, platform }) => ({
      mediaType: MediaType.manifest,
      digest: manifestDigest,
      size: (await stat(path.join(directory, 'blobs', manifestDigest.replace(':', '/')))).size,
      platform,
    })),
  );
}

function isFor(manifest: Descriptor, platform: Platform): boolean {
  return manifest.platform !== undefined && samePlatform(manifest.platform, platform);
}

function sorted(manifests: readonly Descriptor[]): Descriptor[] {
  const key = ({ platform }: Descriptor): string => (platform ? formatPlatform(platform) : '');
  return [...manifests].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

function bootstrapFailure(error: unknown, base: DebianBase, architecture: string): unknown {
  if (!(error instanceof ShipError) || error.code !== 'E_COMMAND_FAILED') return error;
  return new ShipError({
    code: 'E_BOOTSTRAP_FAILED',
    message: `Debian ${base.suite} for ${architecture} could not be made by mmdebstrap`,
    remedy: 'Look at its last lines: the mirror in the apt sources of this machine (or PROSE_SHIP_DEBIAN_MIRROR) must carry that suite.',
    ...(error.output ? { output: error.output } : {}),
    cause: error,
  });
}
