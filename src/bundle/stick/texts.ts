import { engineMinimum } from '../../device/engine-minimum.ts';
import { updaterProgramWords } from '../../device/provision/programs.ts';
import { platformSlug } from '../../oci/platform.ts';
import type { ReleaseManifest } from '../../release/manifest.ts';
import { bundleSuites, type BundlePlan } from '../plan-bundle.ts';

type Facts = Pick<ReleaseManifest, 'id' | 'name' | 'version' | 'domain' | 'accounts'>;

/** What install.sh knows of its bundle: one fact a line, `KEY TAB VALUE`, some more than once. */
export function factsText({ suite, platforms, enginePackages, packages }: BundlePlan, { id, name, version }: Facts): string {
  const lines: readonly (readonly string[])[] = [
    ['format', '1'],
    ['name', name],
    ['version', version],
    ['release', id],
    ['suite', suite],
    ['system', bundleSuites[suite]],
    ['minimum', `${engineMinimum.engine} ${engineMinimum.compose}`],
    ...platforms.map(({ platform, architecture }) => ['platform', `${platformSlug(platform)} ${architecture}`]),
    ...enginePackages.map((one) => ['engine-package', one]),
    ...updaterProgramWords.map((one) => ['program', one]),
    ...packages.map((one) => ['package', one]),
  ];
  return lines.map((line) => `${line.join('\t')}\n`).join('');
}

/** For who finds the stick in a drawer. */
export function readmeText({ suite, platforms, secrets }: BundlePlan, { name, version, domain, id }: Facts, withSecrets: boolean): string {
  const title = `${name} ${version} for ${domain}`;
  const architectures = platforms.map(({ architecture }) => architecture).join(' or ');
  return [
    title,
    '='.repeat(title.length),
    '',
    'This folder installs or updates the server on a host that has no network at all.',
    `Release ${id}; for ${bundleSuites[suite]} (${suite}) or the Raspberry Pi OS made of it, on ${architectures}.`,
    '',
    'On the host, with this stick plugged in:',
    '',
    '    sudo mount /dev/sda1 /mnt                  where no desktop does that; lsblk shows the name',
    '    sudo sh /mnt/FOLDER/install.sh --check     looks, and changes nothing',
    '    sudo sh /mnt/FOLDER/install.sh',
    '',
    'It installs what is missing of Docker and its helpers, puts the release in place, and waits until it is healthy.',
    'A release that does not become healthy goes away again, and the one before comes back.',
    'Run it as often as you like: what is there stays as it is. A newer folder updates in the same way.',
    '',
    ...(secrets.length === 0
      ? []
      : withSecrets
        ? [`The secrets ${secrets.join(', ')} ARE IN THIS FOLDER, readable by whoever holds the stick.`, 'Delete the folder `secrets` once the host has them.', '']
        : [`It asks for ${secrets.join(', ')}. Or put each into a file of its name in a folder that only you can read:`, '    sudo sh /mnt/FOLDER/install.sh --secrets FOLDER', '']),
    'Damaged? `sha256sum --check --quiet SHA256SUMS` in this folder names the file; install.sh asks the same first.',
    '',
  ].join('\n');
}

/** What a person does afterwards: on the host itself, then what the recipe says, `steps`. */
export function nextText({ name, domain, accounts }: Facts, steps: string): string {
  const commands = accounts && [
    'An account is made on the host itself by:',
    `  sudo docker exec -it ${name}-${accounts.service}-1 ${accounts.add.command.join(' ').replace('{jid}', `NAME@${domain}`)}`,
  ];
  return [...(commands ?? []), 'How the server is doing:', '  sudo /usr/lib/prose-ship/updater status', ...(steps === '' ? [] : [steps]), ''].join('\n');
}
