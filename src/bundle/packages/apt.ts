import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { formatAptSources, type AptSource } from '../../build/bootstrap/apt-sources.ts';
import { aptConfiguration } from '../../build/bootstrap/probe-sources.ts';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { run, type Command, type RunOptions } from '../../host/process.ts';
import { isDigest, type Digest } from '../../oci/digest.ts';

/** A system that apt is asked about: nothing is installed there, so that every dependency counts. */
export interface AptRoot {
  /** Runs `apt-get ARGS` for that system. */
  readonly apt: (args: readonly string[], options?: RunOptions) => Promise<string>;
  /** Archives without a package in them. */
  readonly noArchives: string;
}

export interface AptRootOptions {
  /** Debian's name: `armhf`. */
  readonly architecture: string;
  readonly sources: readonly AptSource[];
  /** More sources, in deb822 form: those of the engine. */
  readonly otherSources?: string | undefined;
  /** Where packages are kept. */
  readonly archives: string;
  readonly onLine?: (line: string) => void;
}

/** What apt would fetch. */
export interface PackageFile {
  /** As apt calls it in its archives. */
  readonly file: string;
  readonly sizeBytes: number;
  readonly digest: Digest;
}

/** A root of its own for apt, with the newest indexes, which is gone afterwards. @throws ShipError E_PACKAGES_UNAVAILABLE, exit status 3 */
export async function withAptRoot<T>(context: Context, options: AptRootOptions, work: (root: AptRoot) => Promise<T>): Promise<T> {
  const { architecture, sources, otherSources, archives, onLine } = options;
  await mkdir(context.cacheDirectory, { recursive: true });
  const directory = await mkdtemp(path.join(context.cacheDirectory, '.apt-'));
  try {
    for (const folder of ['lists/partial', 'none/partial']) await mkdir(path.join(directory, folder), { recursive: true });
    await mkdir(path.join(archives, 'partial'), { recursive: true });
    await writeFile(path.join(directory, 'debian.sources'), formatAptSources(sources), { mode: 0o600 });
    if (otherSources !== undefined) await writeFile(path.join(directory, 'engine.sources'), otherSources, { mode: 0o600 });
    await writeFile(path.join(directory, 'status'), '');
    const settings = [
      `Dir::State::status "${directory}/status";`,
      `Dir::Cache::archives "${archives}/";`,
      'APT::Install-Recommends "false";',
      'Acquire::ForceHash "SHA256";',
      'APT::Keep-Downloaded-Packages "true";',
      '',
    ];
    const configuration = path.join(directory, 'apt.conf');
    await writeFile(configuration, aptConfiguration(directory, [architecture]) + settings.join('\n'));
    const apt = async (args: readonly string[], runOptions: RunOptions = {}): Promise<string> => {
      const command: Command = { program: 'apt-get', args: ['-q', ...args], env: { APT_CONFIG: configuration, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' } };
      return (await run(context, command, { ...(onLine ? { onLine } : {}), ...runOptions }).catch((error: unknown) => {
        throw explained(error, architecture);
      })).stdout;
    };
    await apt(['--error-on=any', 'update']);
    return await work({ apt, noArchives: path.join(directory, 'none') });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Reads `apt-get --print-uris`: `'URI' FILE SIZE SHA256:HEX`. */
export function parseUris(text: string): PackageFile[] {
  return text.split('\n').flatMap((line): PackageFile[] => {
    const [, file = '', size = '', hash = ''] = /^'[^']*' (\S+) (\d+) SHA256:([0-9a-f]{64})$/.exec(line) ?? [];
    const digest = `sha256:${hash}`;
    return isDigest(digest) ? [{ file, sizeBytes: Number(size), digest }] : [];
  });
}

function explained(error: unknown, architecture: string): unknown {
  if (!(error instanceof ShipError) || error.code === 'E_INTERRUPTED') return error;
  if (error.code === 'E_COMMAND_NOT_FOUND') {
    return new ShipError({ code: 'E_NO_APT', message: 'Packages for a bundle are fetched by apt, and this machine has none', remedy: 'Make the bundle on Debian or Ubuntu; a container of one will do.', exitStatus: ExitStatus.preflight, cause: error });
  }
  if (error.code !== 'E_COMMAND_FAILED') return error;
  const unknown = [...(error.output ?? '').matchAll(/Unable to locate package (\S+)|Package '(\S+)' has no installation candidate/g)].map(([, one, other]) => one ?? other ?? '');
  return new ShipError({
    code: 'E_PACKAGES_UNAVAILABLE',
    message: unknown.length > 0 ? `Debian has no package ${unknown.join(', ')} for ${architecture}` : `apt does not get the packages for ${architecture}`,
    remedy:
      unknown.length > 0
        ? 'Correct `os.packages` of the recipe, or `os.engine` of the site.'
        : 'Read what it said: the mirror in the apt sources of this machine (or PROSE_SHIP_DEBIAN_MIRROR) must carry that release of Debian.',
    ...(error.output ? { output: error.output } : {}),
    exitStatus: ExitStatus.preflight,
    cause: error,
  });
}
