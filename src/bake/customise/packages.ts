import type { OsSettings } from '../../site/model.ts';

/**
 * Debian packages of every card: a login, the engine with Compose (apparmor, because the engine refuses to run containers
 * where the kernel has it and its tools are missing), what the updater runs (docs/internals/device.md), what the first boot runs, a
 * network that comes up by itself, the right time, and an answer to NAME.local.
 */
const always = [
  'apparmor',
  'avahi-daemon',
  'ca-certificates',
  'curl',
  'dbus',
  'docker-cli',
  'docker-compose',
  'docker.io',
  'e2fsprogs',
  'fdisk',
  'gzip',
  'network-manager',
  'openssh-server',
  'openssl',
  'sudo',
  'systemd-timesyncd',
  'tzdata',
  'util-linux',
];

/** What is installed for these settings, sorted. */
export function cardPackages({ firewall, securityUpdates, wifi, locale, keyboard, packages }: OsSettings): string[] {
  const chosen = [
    ...always,
    ...(firewall ? ['nftables'] : []),
    ...(securityUpdates ? ['unattended-upgrades'] : []),
    ...(wifi ? ['wireless-regdb', 'wpasupplicant'] : []),
    ...(locale === 'C.UTF-8' ? [] : ['locales']),
    ...(keyboard === 'us' ? [] : ['console-setup', 'keyboard-configuration']),
    ...packages,
  ];
  return [...new Set(chosen)].sort();
}

/** Answers to what these packages would ask (debconf-set-selections(1)). */
export function debconfAnswers({ keyboard }: OsSettings): string[] {
  return [`keyboard-configuration keyboard-configuration/layoutcode string ${keyboard}`, `keyboard-configuration keyboard-configuration/xkb-keymap select ${keyboard}`];
}
