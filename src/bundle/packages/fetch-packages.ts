import path from 'node:path';
import { findAptSources } from '../../build/bootstrap/apt-sources.ts';
import { usableAptSources } from '../../build/bootstrap/probe-sources.ts';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { acquireLease } from '../../host/engine/lease.ts';
import { run } from '../../host/process.ts';
import { describeFile } from '../../release/checksums.ts';
import type { TaskReport } from '../../tasks.ts';
import { parseUris, withAptRoot, type AptRoot, type PackageFile } from './apt.ts';
import { stickName, type DebianPackage } from './package-index.ts';

export interface PackagesRequest {
  readonly suite: string;
  readonly architecture: string;
  readonly packages: readonly string[];
  /** Where the engine is not Debian's, in deb822 form. */
  readonly engineSource?: string | undefined;
}

/** Of a mirror of Debian; the whole of it arrives. */
const fieldsAtOnce = 8;

/**
 * These packages and everything that they depend on, down to the C library: what a host has of it already, and how old that
 * is, does not matter. They are fetched by apt, which checks signatures, into the cache. Sorted by name.
 * @throws ShipError E_NO_DEBIAN_SOURCES, E_PACKAGES_UNAVAILABLE, E_NO_APT; exit status 3
 */
export async function fetchPackages(context: Context, request: PackagesRequest, report: TaskReport): Promise<readonly DebianPackage[]> {
  const { suite, architecture, packages, engineSource } = request;
  const found = await findAptSources(context, suite);
  if (found.length === 0) throw noSources(suite);
  const warn = (text: string): void => report.log(text, 'warning');
  const sources = await usableAptSources(context, found, [architecture], ({ suite: missing }) => warn(`${missing} cannot be had from this machine's Debian mirror: the packages come without it`));
  const archives = path.join(context.cacheDirectory, 'packages', `${suite}-${architecture}`);
  const lease = await acquireLease(context, path.join(archives, 'lease'), 'exclusive');
  try {
    const files = await withAptRoot(context, { architecture, sources, otherSources: engineSource, archives, onLine: (line) => report.log(line, 'debug') }, (root) =>
      fetchAll(root, packages),
    );
    const described: DebianPackage[] = [];
    for (let at = 0; at < files.length; at += fieldsAtOnce) {
      described.push(...(await Promise.all(files.slice(at, at + fieldsAtOnce).map((file) => describePackage(context, archives, file)))));
    }
    return described.sort((a, b) => (a.path < b.path ? -1 : 1));
  } finally {
    await lease.release();
  }
}

async function fetchAll({ apt, noArchives }: AptRoot, packages: readonly string[]): Promise<PackageFile[]> {
  const install = ['install', '-y', ...packages];
  // What lies in the archives is not printed, so it is asked for with empty ones.
  const files = parseUris(await apt([...install, '--print-uris', '-o', `Dir::Cache::archives=${noArchives}/`]));
  await apt([...install, '--download-only']);
  return files;
}

async function describePackage(context: Context, archives: string, { file, sizeBytes, digest }: PackageFile): Promise<DebianPackage> {
  const source = path.join(archives, file);
  // A cache that was damaged since apt looked must not get onto a stick.
  const found = await describeFile(archives, file, context.signal).catch(() => undefined);
  if (found?.digest !== digest) {
    throw new ShipError({ code: 'E_PACKAGES_UNAVAILABLE', message: `'${source}' is not what apt fetched`, remedy: `Delete '${source}', then run this again.` });
  }
  const { stdout } = await run(context, { program: 'dpkg-deb', args: ['--field', source], env: { LC_ALL: 'C' } });
  return { source, path: stickName(stdout), sizeBytes, digest, control: stdout };
}

function noSources(suite: string): ShipError {
  return new ShipError({
    code: 'E_NO_DEBIAN_SOURCES',
    message: `The apt of this machine knows no mirror of Debian, so there are no packages of ${suite}`,
    remedy: 'Name one in PROSE_SHIP_DEBIAN_MIRROR.',
    exitStatus: ExitStatus.preflight,
  });
}
