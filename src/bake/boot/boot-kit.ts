import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { aptSourcesSecret, baseContexts } from '../../build/base-contexts.ts';
import { provideBase, type ProvidedBase } from '../../build/bases.ts';
import { buildxBuild } from '../../build/buildx.ts';
import { defaultSourceDateEpoch } from '../../build/plan.ts';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { machinePlatform } from '../../host/engine/emulation.ts';
import { acquireLease } from '../../host/engine/lease.ts';
import { openEngine } from '../../host/engine/open-engine.ts';
import { exists, replaceDirectory } from '../../host/files.ts';
import { run, type Command } from '../../host/process.ts';
import { formatPlatform, platformSlug, type Platform } from '../../oci/platform.ts';
import type { Kernel } from './kernel.ts';

const dockerfiles = path.resolve(import.meta.dirname, '../../../dockerfiles');
const dockerfile = path.join(dockerfiles, 'boot-kit.Dockerfile');
const contextDirectory = path.join(dockerfiles, 'os-image/initramfs');
const baseReference = 'debian:trixie-slim';

/** Everything that the one `docker buildx build` of a kit is told. */
export interface BootKitStep {
  readonly platform: Platform;
  readonly base: ProvidedBase;
  readonly outputDirectory: string;
  readonly dockerHost?: string;
}

/** Its own cache is this folder of ours, so neither attestations nor a tag are wanted. */
export function bootKitBuild({ platform, base, outputDirectory, dockerHost }: BootKitStep): Command {
  return buildxBuild({
    ...(dockerHost ? { dockerHost } : {}),
    contextDirectory,
    dockerfile,
    platforms: [platform],
    sourceDateEpoch: defaultSourceDateEpoch,
    args: {},
    secretFiles: aptSourcesSecret([base]),
    namedContexts: baseContexts([base]),
    noCache: false,
    output: { kind: 'files', directory: outputDirectory },
  });
}

/**
 * Debian's kernel for a platform, an initramfs for it and a drive with all of its modules, for images whose own kernel
 * QEMU's `virt` machine does not know. Made once by buildx, natively whatever the platform, and kept in the cache.
 * @throws ShipError E_BOOT_KIT (exit status 3) when it cannot be made, E_ENGINE_NOT_RUNNING, E_BASE_UNAVAILABLE
 */
export async function provideBootKit(context: Context, platform: Platform, log: (line: string) => void = () => {}): Promise<Kernel> {
  const kits = path.join(context.cacheDirectory, 'boot-kits');
  const directory = path.join(kits, `${platformSlug(platform)}-${await sourceHash()}`);
  const kernel: Kernel = {
    name: 'boot kit',
    kernelFile: path.join(directory, 'vmlinuz'),
    initrdFile: path.join(directory, 'initrd'),
    modulesFile: path.join(directory, 'modules.img'),
  };
  const lease = await acquireLease(context, path.join(kits, `${platformSlug(platform)}.lock`), 'exclusive');
  try {
    if (!(await exists(path.join(directory, 'version')))) await makeKit(context, platform, directory, log);
    return kernel;
  } finally {
    await lease.release();
  }
}

async function makeKit(context: Context, platform: Platform, directory: string, log: (line: string) => void): Promise<void> {
  const engine = await openEngine(context, { allowPrivate: true });
  try {
    const native = machinePlatform();
    const endpoint = engine.dockerHost ? { dockerHost: engine.dockerHost } : {};
    const base = await provideBase(context, {
      reference: baseReference,
      platforms: native ? [native] : [],
      provider: 'auto',
      sourceDateEpoch: defaultSourceDateEpoch,
      ...endpoint,
    });
    await replaceDirectory(directory, async (outputDirectory) => {
      await run(context, bootKitBuild({ platform, base, outputDirectory, ...endpoint }), { onLine: log });
    });
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw kitFailure(error, platform);
  } finally {
    await engine.stop();
  }
}

/** A kit is made anew when what makes it changes. */
async function sourceHash(): Promise<string> {
  const hash = createHash('sha256');
  for (const file of [dockerfile, path.join(contextDirectory, 'init'), path.join(contextDirectory, 'make.sh')]) {
    hash.update(await readFile(file));
  }
  return hash.digest('hex').slice(0, 12);
}

function kitFailure(error: unknown, platform: Platform): unknown {
  if (!(error instanceof ShipError) || error.code !== 'E_COMMAND_FAILED') return error;
  return new ShipError({
    code: 'E_BOOT_KIT',
    message: `The kernel to boot ${formatPlatform(platform)} images with could not be made`,
    remedy: 'Look at the last lines: the build needs Debian packages (`prose-ship doctor`), and an engine with buildx.',
    ...(error.output ? { output: error.output } : {}),
    exitStatus: ExitStatus.preflight,
    cause: error,
  });
}
