import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { runBuildx } from '../../build/run-buildx.ts';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { isDiskFullByProgram } from '../../host/free-space.ts';
import { run, type Command } from '../../host/process.ts';
import { parsePlatform, samePlatform, type Platform } from '../../oci/platform.ts';
import type { Release } from '../../release/read-release.ts';
import type { TaskReport } from '../../tasks.ts';
import type { Measure } from '../assemble/card-layout.ts';
import { readMeasure } from '../assemble/measure.ts';
import { osImageStep, type OsImageBuild } from '../assemble/os-image-build.ts';
import { setupError } from '../assemble/setup-error.ts';

export interface StoreRequest {
  readonly build: OsImageBuild;
  readonly release: Release;
  readonly platform: Platform;
  /** Gets `store.tar.zst`. */
  readonly directory: string;
  readonly report: Pick<TaskReport, 'log'>;
}

export interface FilledStore {
  /** The engine's data folder below var/lib/docker, tar, zstd. */
  readonly file: string;
  readonly measure: Measure;
  readonly engineVersion: string;
}

const reference = 'prose-ship/preload:build';
/** Loading is unpacking and writing: minutes for gigabytes on a slow disk. */
const withinMs = 1_800_000;

/**
 * Lets an engine of this machine's architecture, in a privileged container, load the release's images for the card's
 * platform into a data folder of its own, and takes that folder out (docs/cards/card.md).
 * @throws ShipError E_PRELOAD_PRIVILEGED where the engine allows no privileged containers, E_PRELOAD_ENGINE,
 *   E_PRELOAD_IMAGE, E_BUILD_FAILED
 */
export async function fillStore(context: Context, { build, release, platform, directory, report }: StoreRequest): Promise<FilledStore> {
  const docker = (...args: string[]): Command => ({
    program: 'docker',
    args,
    ...(build.builder.dockerHost ? { env: { DOCKER_HOST: build.builder.dockerHost } } : {}),
  });
  const native = await nativePlatform(context, docker);
  const step = osImageStep({ ...build, platform: native }, 'engine', { kind: 'load', reference });
  await runBuildx(context, step, { component: 'preload engine', report });
  const images = release.manifest.images.filter((image) => samePlatform(image.platform, platform));
  const names = [...new Set(images.map((image) => image.reference))];
  const created = await run(
    context,
    docker('create', '--privileged', '--network', 'none', '--volume', '/store', '--volume', '/in', reference, String(build.sourceDateEpoch), ...names),
  ).catch((error: unknown) => {
    throw privilegeError(error);
  });
  const container = created.stdout.trim();
  try {
    for (const { archive } of images) {
      await run(context, docker('cp', '--quiet', path.join(release.directory, archive.path), `${container}:/in/`));
    }
    const lines: string[] = [];
    const onLine = (line: string): void => {
      lines.push(line);
      report.log(line, 'debug');
    };
    await run(context, docker('start', '--attach', container), { onLine, timeoutMs: withinMs }).catch((error: unknown) => {
      throw setupError(lines) ?? privilegeError(error);
    });
    await mkdir(directory, { recursive: true });
    await run(context, docker('cp', '--quiet', `${container}:/out/.`, directory));
  } finally {
    const uninterrupted = { ...context, signal: new AbortController().signal };
    await run(uninterrupted, docker('rm', '--force', '--volumes', container)).catch(() => {});
  }
  return {
    file: path.join(directory, 'store.tar.zst'),
    measure: await readMeasure(path.join(directory, 'measure')),
    engineVersion: (await readFile(path.join(directory, 'engine-version'), 'utf8')).trim(),
  };
}

/** Whether a card can be made without: its first boot then loads the images. */
export function isPreloadProblem(error: unknown): error is ShipError {
  return error instanceof ShipError && ['E_PRELOAD_PRIVILEGED', 'E_PRELOAD_ENGINE'].includes(error.code);
}

async function nativePlatform(context: Context, docker: (...args: string[]) => Command): Promise<Platform> {
  const { stdout } = await run(context, docker('version', '--format', '{{.Server.Os}}/{{.Server.Arch}}'));
  const platform = parsePlatform(stdout.trim());
  if (!platform) throw new ShipError({ code: 'E_PRELOAD_ENGINE', message: `The engine says it is of '${stdout.trim()}'`, remedy: 'Use `--preload archive`.' });
  return platform;
}

function privilegeError(error: unknown): unknown {
  if (!(error instanceof ShipError) || error.code !== 'E_COMMAND_FAILED' || isDiskFullByProgram(error)) return error;
  return new ShipError({
    code: 'E_PRELOAD_PRIVILEGED',
    message: 'The engine runs no privileged container that could fill the card\'s image store',
    remedy: 'Use `--preload archive`: then the first boot loads the images, which takes longer.',
    exitStatus: ExitStatus.preflight,
    ...(error.output ? { output: error.output } : {}),
    cause: error,
  });
}
