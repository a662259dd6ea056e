import { createHash } from 'node:crypto';
import { cardUsers } from '../../device/os-files.ts';
import { devicePaths } from '../../device/files.ts';
import type { OpenPort, OsSettings } from '../../site/model.ts';

/** A file of the card whose content is made of the settings. */
export interface CardFile {
  /** Below the root, without a leading slash. */
  readonly path: string;
  readonly content: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Everything in /etc and the home folder that depends on the site. */
export function cardConfiguration(os: OsSettings, preload: 'store' | 'archive'): readonly CardFile[] {
  const { hostname, user, locale, keyboard, timezone, wifi, firewall, allowedSigners } = os;
  const keys: CardFile = {
    path: `home/${user}/.ssh/authorized_keys`,
    content: lines(os.authorizedKeys),
    mode: 0o600,
    uid: cardUsers.login,
    gid: cardUsers.login,
  };
  return [
    file('etc/hostname', lines([hostname])),
    file('etc/timezone', lines([timezone])),
    file('etc/locale.conf', lines([`LANG=${locale}`])),
    file('etc/default/locale', lines([`LANG=${locale}`])),
    file('etc/default/keyboard', lines(['XKBMODEL="pc105"', `XKBLAYOUT="${keyboard}"`, 'XKBVARIANT=""', 'XKBOPTIONS=""', 'BACKSPACE="guess"'])),
    file('etc/docker/daemon.json', engineConfiguration(preload)),
    ...(firewall ? [file('etc/nftables.conf', firewallRules(os.ports), 0o755)] : []),
    ...(wifi ? [file('etc/modprobe.d/prose-ship-wifi.conf', lines([`options cfg80211 ieee80211_regdom=${wifi.country}`]))] : []),
    ...(wifi?.network ? [file('etc/NetworkManager/system-connections/prose-ship.nmconnection', wifiConnection(wifi.network.ssid), 0o600)] : []),
    ...(allowedSigners === undefined ? [] : [file(devicePaths.allowedSignersFile.slice(1), allowedSigners)]),
    keys,
  ];
}

/** Logs of containers are bounded, because cards are small and wear out. A store that was filled beforehand is one of overlay2. */
function engineConfiguration(preload: 'store' | 'archive'): string {
  const settings = {
    'log-driver': 'local',
    'log-opts': { 'max-size': '10m', 'max-file': '3' },
    ...(preload === 'store' ? { 'storage-driver': 'overlay2' } : {}),
  };
  return `${JSON.stringify(settings, undefined, 2)}\n`;
}

/**
 * The firewall: one table of its own, replaced whole, so that the engine's tables stay untouched. What containers publish
 * is forwarded by the engine and does not pass here; services on the host's own network do.
 */
export function firewallRules(ports: readonly OpenPort[]): string {
  const open = (protocol: OpenPort['protocol']) => ports.filter((one) => one.protocol === protocol).map(({ port }) => port);
  const rule = (protocol: OpenPort['protocol']) => (open(protocol).length > 0 ? [`    ${protocol} dport { ${open(protocol).join(', ')} } accept`] : []);
  return lines([
    '#!/usr/sbin/nft -f',
    '# Adding the table first makes deleting it work where there was none.',
    'table inet prose_ship',
    'delete table inet prose_ship',
    'table inet prose_ship {',
    '  chain input {',
    '    type filter hook input priority filter; policy drop;',
    '    iifname "lo" accept',
    '    ct state established,related accept',
    '    ct state invalid drop',
    '    # Containers may reach services on the host\'s own network.',
    '    iifname "docker0" accept',
    '    iifname "br-*" accept',
    '    # Errors, echo, and what IPv6 cannot do without: neighbour discovery, router advertisements.',
    '    meta l4proto { icmp, ipv6-icmp } accept',
    '    # NAME.local (mDNS), and answers to the DHCPv6 client.',
    '    udp dport 5353 ip daddr 224.0.0.251 accept',
    '    udp dport 5353 ip6 daddr ff02::fb accept',
    '    udp sport 547 udp dport 546 ip6 saddr fe80::/10 accept',
    '    tcp dport 22 accept',
    ...rule('tcp'),
    ...rule('udp'),
    '  }',
    '}',
  ]);
}

/** NetworkManager's keyfile without its key, which setup.sh appends: the last section is the one that it belongs to. */
function wifiConnection(ssid: string): string {
  const id = createHash('sha256').update(`prose-ship wifi ${ssid}`).digest('hex');
  const uuid = `${id.slice(0, 8)}-${id.slice(8, 12)}-8${id.slice(13, 16)}-8${id.slice(17, 20)}-${id.slice(20, 32)}`;
  // Bytes are always understood; text only without key files' own special characters.
  const name = /^[A-Za-z0-9][A-Za-z0-9 _.-]*[A-Za-z0-9]$/.test(ssid) ? ssid : [...Buffer.from(ssid)].map((byte) => `${byte};`).join('');
  return lines([
    ...['[connection]', 'id=prose-ship', `uuid=${uuid}`, 'type=wifi', ''],
    ...['[wifi]', 'mode=infrastructure', `ssid=${name}`, ''],
    ...['[ipv4]', 'method=auto', '', '[ipv6]', 'method=auto', ''],
    ...['[wifi-security]', 'key-mgmt=wpa-psk'],
  ]);
}

/** As a baked card's journal is (docs/internals/device.md): the first boot is a rollout from nothing. */
export function firstJournal(id: string): CardFile {
  const fields = [['format', '1'], ['id', id], ['goal', 'rollout'], ['state', 'uploaded'], ['next', 'verified'], ['from', '-'], ['time', '0']];
  return file(`${devicePaths.stateDirectory.slice(1)}/journal`, lines(fields.map((field) => field.join('\t'))), 0o600);
}

function file(path: string, content: string, mode = 0o644): CardFile {
  return { path, content, mode, uid: 0, gid: 0 };
}

function lines(all: readonly string[]): string {
  return `${all.join('\n')}\n`;
}
