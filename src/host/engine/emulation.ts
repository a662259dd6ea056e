import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { distinctPlatforms, formatPlatform, parsePlatform, samePlatform, type Platform } from '../../oci/platform.ts';
import { run } from '../process.ts';
import { parseBinfmtEntry, type BinfmtEntry } from './binfmt.ts';

/** Who would run the build steps; absent fields stand for this machine and the client's own choice. */
export interface BuildSurroundings {
  readonly dockerHost?: string;
  /** A buildx builder other than the default one. */
  readonly builder?: string;
}

const binfmtDirectory = '/proc/sys/fs/binfmt_misc';
const answersWithinMs = 20_000;

/** ELF's e_machine (ELF specification, and its processor supplements) and what such programs are built for. */
const platformsOfMachine: Readonly<Record<number, readonly string[]>> = {
  0x28: ['linux/arm/v5', 'linux/arm/v6', 'linux/arm/v7'],
  0xb7: ['linux/arm64'],
  0x3e: ['linux/amd64'],
};

/** What Node calls the architecture it was built for, and what such a machine runs without help; the best comes last. */
const nativePlatforms: Readonly<Record<string, readonly string[]>> = {
  x64: ['linux/amd64'],
  arm64: ['linux/arm64'],
  arm: ['linux/arm/v6', 'linux/arm/v7'],
};

/** The platform of this machine's own programs, BuildKit's BUILDPLATFORM; undefined on machines that no recipe builds for. */
export function machinePlatform(architecture: string = process.arch): Platform | undefined {
  return parseAll(nativePlatforms[architecture] ?? []).at(-1);
}

/** Platforms that an entry lets build steps run: it must be enabled, and its interpreter opened in advance (flag F). */
export function platformsOfEntry(entry: BinfmtEntry): readonly Platform[] {
  // Without F the kernel would look for the interpreter inside the container, where it is not.
  if (!entry.enabled || !entry.flags.includes('F') || entry.elfMachine === undefined) return [];
  return parseAll(platformsOfMachine[entry.elfMachine] ?? []);
}

/** Reads the `Platforms:` lines of `docker buildx inspect`; an asterisk marks those that a user named. */
export function parseBuilderPlatforms(output: string): readonly Platform[] {
  const lists = [...output.matchAll(/^\s*Platforms:\s*(.*)$/gm)].map(([, list]) => list ?? '');
  return parseAll(lists.flatMap((list) => list.split(',').map((word) => word.trim().replace(/\*$/, ''))));
}

/** The entries that are registered with this machine's kernel; none where it has no binfmt_misc. */
async function readBinfmtEntries(directory: string = binfmtDirectory): Promise<readonly BinfmtEntry[]> {
  const names = await readdir(directory).catch(() => []);
  const entries = names
    .filter((name) => name !== 'register' && name !== 'status')
    .map(async (name) => parseBinfmtEntry(name, await readFile(path.join(directory, name), 'utf8')));
  return await Promise.all(entries);
}

/**
 * Platforms whose RUN steps can be executed: natively, through this machine's binfmt_misc, or because the builder says
 * so (Docker Desktop, remote nodes). The union, because engine 26.1.5 lists no linux/arm/v7 on a machine where it works.
 * @throws ShipError E_INTERRUPTED
 */
export async function runnablePlatforms(context: Context, surroundings: BuildSurroundings = {}): Promise<readonly Platform[]> {
  const platforms = [...(await builderPlatforms(context, surroundings))];
  if (process.platform === 'linux') {
    platforms.push(...parseAll(nativePlatforms[process.arch] ?? []));
    platforms.push(...(await readBinfmtEntries()).flatMap(platformsOfEntry));
  }
  return distinctPlatforms(platforms);
}

/**
 * Checks before a build that all of `platforms` can be run.
 * @throws ShipError E_EMULATION_MISSING (exit status 3), E_INTERRUPTED
 */
export async function requireEmulation(
  context: Context,
  platforms: readonly Platform[],
  surroundings: BuildSurroundings = {},
): Promise<void> {
  const runnable = await runnablePlatforms(context, surroundings);
  const missing = platforms.filter((platform) => !runnable.some((other) => samePlatform(platform, other)));
  if (missing.length > 0) throw emulationMissing(missing);
}

/** The error of platforms that nothing here can run. */
export function emulationMissing(platforms: readonly Platform[]): ShipError {
  return new ShipError({
    code: 'E_EMULATION_MISSING',
    message: `This machine cannot run programs for ${platforms.map(formatPlatform).join(' and ')}`,
    remedy: 'Run `prose-ship doctor --fix`, which sets up QEMU, or name a builder that can (`--builder`).',
    exitStatus: ExitStatus.preflight,
  });
}

async function builderPlatforms(context: Context, { dockerHost, builder }: BuildSurroundings): Promise<readonly Platform[]> {
  const command = {
    program: 'docker',
    args: ['buildx', 'inspect', ...(builder ? [builder] : [])],
    ...(dockerHost ? { env: { DOCKER_HOST: dockerHost } } : {}),
  };
  try {
    return parseBuilderPlatforms((await run(context, command, { timeoutMs: answersWithinMs })).stdout);
  } catch (error) {
    if (error instanceof ShipError && error.code !== 'E_INTERRUPTED') return [];
    throw error;
  }
}

function parseAll(texts: readonly string[]): readonly Platform[] {
  return texts.map(parsePlatform).filter((platform) => platform !== undefined);
}
