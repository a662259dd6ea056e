import type { OsSettings } from '../../site/model.ts';

/**
 * Debian packages of every card: a login, what the engine needs (apparmor, because the engine refuses to run containers
 * where the kernel has it and its tools are missing), what the updater runs (docs/internals/device.md), what the first boot runs, a
 * network that comes up by itself, the right time, and an answer to NAME.local.
 */
const always = [
  'apparmor',
  'avahi-daemon',
  'ca-certificates',
  'curl',
  'dbus',
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

/** What is installed for these settings, sorted; `engine` is the packages of the engine and Compose. */
export function cardPackages({ firewall, securityUpdates, wifi, locale, keyboard, packages }: OsSettings, engine: readonly string[]): string[] {
  const chosen = [
    ...always,
    ...engine,
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
