import { execFileSync } from 'node:child_process';
import { appendFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { formatPlatform, platformSlug, type Platform } from '../../../src/oci/platform.ts';
import { proseShip } from '../command-line.ts';
import { siteName, writeProsodySite } from '../chat/prosody-site.ts';

export const cardHostname = 'kitchen';
export const cardTimezone = 'Europe/Berlin';
/** What the card needs to join its network, and nobody else may see. */
export const wifiPassphrase = 'correct horse battery staple';

/** A site with a card, and the key that alone opens it. */
export interface CardSite {
  readonly directory: string;
  readonly identityFile: string;
  readonly platform: Platform;
}

export async function makeCardSite(directory: string, platform: Platform): Promise<CardSite> {
  const identityFile = path.join(directory, 'key');
  await mkdir(directory, { recursive: true });
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'card', '-f', identityFile]);
  return { directory, identityFile, platform };
}

/** Builds and packs a version of the site with `prose-ship release`. @returns the release's folder */
export async function releaseOfCard(site: CardSite, version: string, componentVersion: string): Promise<string> {
  const file = await writeProsodySite({ directory: site.directory, version, componentVersion, platforms: [formatPlatform(site.platform)] });
  await appendFile(file, [
    ...['os:', '  base: debian', `  hostname: ${cardHostname}`, '  user: pi', '  authorizedKeys: [{file: key.pub}]', `  timezone: ${cardTimezone}`],
    ...['  keyboard: us', '  wifi: {country: DE, network: {ssid: Kitchen, passphrase: {env: WIFI_PASSPHRASE}}}', ''],
  ].join('\n'));
  const build = path.join(site.directory, 'build');
  await succeed(['release', '--config', file, '--output', build]);
  return path.join(build, 'release', `${siteName}-${version}`);
}

/** Bakes the site's card with `prose-ship bake`, uncompressed. @returns the image */
export async function bakeCard(site: CardSite, release: string, preload: 'store' | 'archive' = 'store'): Promise<string> {
  const image = path.join(site.directory, `${platformSlug(site.platform)}-${preload}.img`);
  const config = path.join(site.directory, 'prose-ship.yaml');
  const platform = ['--platform', formatPlatform(site.platform), '--preload', preload];
  await succeed(['bake', '--config', config, '--release', release, '--base', 'debian', ...platform, '--output', image]);
  return image;
}

/** Runs a verb that must not fail. @returns what `--json` says */
export async function succeed(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Readonly<Record<string, unknown>>> {
  const { exitCode, stderr, result } = await proseShip(args, { environment: { WIFI_PASSPHRASE: wifiPassphrase, ...environment } });
  if (exitCode !== 0) throw new Error(`prose-ship ${args.join(' ')}: exit status ${exitCode}\n${stderr}`);
  return result;
}
