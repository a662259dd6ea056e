import { cp, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { effectiveMinimum } from '../../device/engine-minimum.ts';
import { devicePaths } from '../../device/files.ts';
import { cardUsers, osFiles } from '../../device/os-files.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { replaceDirectory } from '../../host/files.ts';
import { debianArchitecture, formatPlatform } from '../../oci/platform.ts';
import type { OsSettings } from '../../site/model.ts';
import { debianEngine, type EngineSource } from '../engine-source/engine-source.ts';
import { cardConfiguration, firstJournal } from './card-configuration.ts';
import { FileList } from './file-list.ts';
import { cardPackages, debconfAnswers } from './packages.ts';
import { layRelease, type ReleaseForCard } from './release-files.ts';

/** Holds setup.sh and its parts; they are copied into every customisation. */
const setupDirectory = path.join(import.meta.dirname, 'setup');

export interface CustomisationOptions extends ReleaseForCard {
  readonly os: OsSettings;
  /** Absent: Debian's packages. */
  readonly engine?: EngineSource;
}

export interface Customisation {
  readonly directory: string;
  /** Debian packages, sorted. */
  readonly packages: readonly string[];
  /** Words to add to the kernel's command line on the boot partition. */
  readonly cmdline: readonly string[];
  /** Files that PROSE_SHIP_SECRETS_DIR must have while setup.sh runs. */
  readonly secretFiles: readonly string[];
}

/**
 * Writes the folder that turns a root file system into this site's card: `setup.sh ROOT` with its `settings`, the tree
 * `files/` with owners and modes in `files.list`, `packages` and `debconf`. It holds no secret, and the same inputs give
 * the same bytes. An existing folder is replaced whole.
 * @throws ShipError E_WRONG_ARCHITECTURE when the release or Debian has nothing for the platform, exit status 3
 */
export async function writeCustomisation(directory: string, options: CustomisationOptions): Promise<Customisation> {
  const { os, manifest, preload, engine = debianEngine } = options;
  const packages = cardPackages(os, engine.packages);
  const cmdline = os.wifi ? [`cfg80211.ieee80211_regdom=${os.wifi.country}`] : [];
  await replaceDirectory(directory, async (target) => {
    const list = new FileList(path.join(target, 'files'));
    for (const { source, target: file, mode } of osFiles(os)) await list.copy(source, file.slice(1), mode);
    for (const { path: file, content, mode, uid, gid } of [...cardConfiguration(os, preload), firstJournal(manifest.id)]) await list.write(file, content, mode, uid, gid);
    list.directory(`home/${os.user}/.ssh/`, 0o700, cardUsers.login);
    list.directory(`${devicePaths.stateDirectory.slice(1)}/`, 0o755);
    list.directory(`${devicePaths.incomingDirectory.slice(1)}/`, 0o700, cardUsers.login);
    for (const file of await layRelease(list.root, options)) list.forRootAlone(file, devicePaths.releasesDirectory.slice(1));
    await writeFile(path.join(target, 'files.list'), list.format());
    await writeFile(path.join(target, 'settings'), formatSettings(settings(options, cmdline)));
    await writeFile(path.join(target, 'packages'), `${packages.join('\n')}\n`);
    await writeFile(path.join(target, 'debconf'), `${debconfAnswers(os).join('\n')}\n`);
    await writeFile(path.join(target, 'engine.sources'), engine.aptSource ?? '');
    await copySetup(target);
  });
  const secretFiles = [...(os.wifi?.network ? ['wifi-passphrase'] : []), ...manifest.secrets.map((name) => `secrets/${name}`)];
  return Object.freeze({ directory, packages, cmdline, secretFiles });
}

async function copySetup(target: string): Promise<void> {
  for (const name of (await readdir(setupDirectory)).sort()) await cp(path.join(setupDirectory, name), path.join(target, name), { recursive: true });
}

function settings({ os, manifest, platform, engine = debianEngine }: CustomisationOptions, cmdline: readonly string[]): Readonly<Record<string, string>> {
  const architecture = debianArchitecture(platform);
  if (architecture === undefined) {
    throw new ShipError({
      code: 'E_WRONG_ARCHITECTURE',
      message: `There is no Debian for ${formatPlatform(platform)}`,
      remedy: 'A card is made for linux/arm64 or linux/arm/v7.',
      exitStatus: ExitStatus.preflight,
    });
  }
  return {
    hostname: os.hostname,
    user: os.user,
    login_id: String(cardUsers.login),
    service_user: cardUsers.serviceName,
    service_id: String(cardUsers.service),
    locale: os.locale,
    timezone: os.timezone,
    engine_source: engine.aptSource === undefined || engine.directory !== undefined ? 'no' : 'yes',
    wifi_country: os.wifi?.country ?? '',
    wifi_network: os.wifi?.network ? 'yes' : 'no',
    secret_names: manifest.secrets.join(' '),
    platform: formatPlatform(platform),
    debian_architecture: architecture,
    engine_minimum: effectiveMinimum('engine', os.requires),
    compose_minimum: effectiveMinimum('compose', os.requires),
    enabled_units: ['ssh.service', 'docker.service', ...(os.firewall ? ['nftables.service'] : []), 'prose-ship-first-boot.service', 'prose-ship-apparmor.service', path.basename(devicePaths.unit)].join(' '),
    cmdline_append: cmdline.join(' '),
  };
}

/** Shell variables, each in single quotes: `.` reads them. */
function formatSettings(values: Readonly<Record<string, string>>): string {
  return Object.entries(values).map(([name, value]) => `${name}='${value.replaceAll("'", `'\\''`)}'\n`).join('');
}
