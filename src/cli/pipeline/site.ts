import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { ExitStatus, ShipError } from '../../errors.ts';
import { parsePlatform, type Platform } from '../../oci/platform.ts';
import { readRelease, type Release } from '../../release/read-release.ts';
import { releaseDirectory } from '../../release/pack-release.ts';
import type { Signer } from '../../release/signature/verify-signature.ts';
import { readAllowedSigners, type AllowedSigners } from '../../site/allowed-signers.ts';
import { loadDeployment } from '../../site/load.ts';
import type { Deployment, Host } from '../../site/model.ts';
import type { Session, VerbOptions } from '../verb.ts';
import { word } from '../verb.ts';

/** Where everything that is made goes unless `--output` says otherwise: `build/` beside the site file. */
export function outputDirectory(session: Session, options: VerbOptions): string {
  const directory = path.resolve(word(options['output']) ?? path.join(path.dirname(session.siteFile), 'build'));
  if (!session.dryRun) mkdirSync(directory, { recursive: true });
  return directory;
}

/** `--platform`, given several times or with commas; undefined where it is not given. */
export function platformsOf(options: VerbOptions): readonly Platform[] | undefined {
  const given = options['platform'];
  if (!Array.isArray(given)) return undefined;
  return (given as string[])
    .flatMap((text) => text.split(','))
    .map((text) => {
      const platform = parsePlatform(text.trim());
      if (platform) return platform;
      throw new ShipError({
        code: 'E_BAD_PLATFORM',
        message: `'${text}' is not a platform`,
        remedy: 'It looks like linux/arm/v7 or linux/arm64.',
        exitStatus: ExitStatus.usage,
      });
    });
}

/**
 * Hosts by their names in the site file; what has no name there is taken as `[user@]address[:port]`, with or without an engine as
 * the site's. None: all of the site. One that is named twice counts once.
 */
export function hostsOf(deployment: Deployment | undefined, names: readonly string[]): readonly Host[] {
  const { hosts = [], engine } = deployment?.site ?? {};
  const other = (name: string): Host => ({ ...parseHost(name), ...(engine ? { engine } : {}) });
  if (names.length > 0) return [...new Set(names)].map((name) => hosts.find((host) => host.name === name) ?? other(name));
  if (hosts.length > 0) return hosts;
  throw new ShipError({
    code: 'E_NO_HOST',
    message: 'No host is named, and the site file has none',
    remedy: 'Name one: `prose-ship update pi@raspberrypi.local`, or add it under `hosts` in the site file.',
    exitStatus: ExitStatus.usage,
  });
}

function parseHost(text: string): Host {
  const match = /^(?:([^@\s]+)@)?(\[[0-9a-f:]+(?:%[\w.-]+)?\]|[\w.-]+)(?::(\d+))?$/i.exec(text);
  if (!match?.[2] || text.startsWith('-')) {
    throw new ShipError({
      code: 'E_BAD_HOST',
      message: `'${text}' is not a host`,
      remedy: 'It is a name of the site file, or looks like pi@raspberrypi.local or pi@[fd00::1]:2222.',
      exitStatus: ExitStatus.usage,
    });
  }
  const [, user, address, port] = match;
  return {
    name: text,
    address: address.replace(/^\[|\]$/g, ''),
    ...(user ? { user } : {}),
    ...(port ? { port: Number(port) } : {}),
  };
}

/** The site, where there is one: verbs that take `user@address` work without, unless `--config` names one. */
export async function siteIfAny(session: Session): Promise<Deployment | undefined> {
  if (!session.siteIsNamed && !existsSync(session.siteFile)) return undefined;
  return loadDeployment(session.context, session.siteFile);
}

/** `--release`, else the one that `prose-ship release` makes of the site. */
export async function releaseOf(session: Session, deployment: Deployment | undefined, options: VerbOptions): Promise<Release> {
  const named = word(options['release']);
  if (named !== undefined) return readRelease(path.resolve(named));
  if (deployment) return readRelease(releaseDirectory(path.join(outputDirectory(session, options), 'release'), deployment));
  throw new ShipError({
    code: 'E_NO_RELEASE',
    message: 'No release is named, and there is no site file here to find it by',
    remedy: 'Name its folder with --release DIR, or the site file with --config FILE.',
    exitStatus: ExitStatus.usage,
  });
}

/** `--allowed-signers`, else the site's; undefined where neither names any. */
export async function allowedSignersOf(deployment: Deployment | undefined, options: VerbOptions): Promise<AllowedSigners | undefined> {
  const named = word(options['allowedSigners']);
  return named === undefined ? deployment?.site.allowedSigners : readAllowedSigners(path.resolve(named));
}

/** `signed by ci@example.org (SHA256:...)` */
export function describeSigner(signer: Signer | undefined): string {
  if (!signer) return 'not signed';
  return signer.principal === undefined ? `signed by ${signer.fingerprint}, whoever that is` : `signed by ${signer.principal} (${signer.fingerprint})`;
}
