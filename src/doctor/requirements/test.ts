import type { Check, Part, Requirement } from '../requirement.ts';
import { file, program } from './checks.ts';

type Row = readonly [id: string, what: string, why: string, check: Check, part: Part];

const rows: readonly Row[] = [
  ['sudo', 'sudo', 'tests update a device whose login is not root', program('sudo'), 'sudo'],
  ['shellcheck', 'shellcheck', 'checks the updater, which is a shell program', program('shellcheck'), 'shellcheck'],
  ['nginx', 'nginx', 'stands before start-first services, as docs/recipes/web-services.md has it', program('nginx'), 'nginx'],
  ['skopeo', 'skopeo', 'a second reader of image archives', program('skopeo'), 'skopeo'],
  ['zstd', 'zstd', 'a second reader of image archives', program('zstd'), 'zstd'],
  ['busybox', 'busybox (static)', 'the content of small test images, and a second shell for the updater', program('busybox'), 'busybox'],
  ['sfdisk', 'sfdisk', 'a second reader of partition tables', program('sfdisk'), 'fdisk'],
  ['sgdisk', 'sgdisk', 'a second reader of GPT partition tables', program('sgdisk'), 'gdisk'],
  ['mkfs.vfat', 'mkfs.vfat', 'makes and checks the FAT file systems of the tests', program('mkfs.vfat'), 'dosfstools'],
  ['mcopy', 'mcopy', 'puts files into them', program('mcopy'), 'mtools'],
  ['bmaptool', 'bmaptool', 'a second reader and writer of block maps', program('bmaptool'), 'bmap-tools'],
  ['debugfs', 'debugfs', 'makes, fills and checks the ext4 file systems of the tests', program('debugfs'), 'e2fsprogs'],
  ['xz', 'xz', 'compresses images of the tests', program('xz'), 'xz'],
  ['gzip', 'gzip', 'compresses images of the tests', program('gzip'), 'gzip'],
  ['bzip2', 'bzip2', 'makes an image of a format that is refused', program('bzip2'), 'bzip2'],
  ['setfattr', 'setfattr', 'extended attributes of test trees', program('setfattr'), 'attr'],
  ['setfacl', 'setfacl', 'access lists of test trees', program('setfacl'), 'acl'],
  ['setcap', 'setcap', 'capabilities of test trees', program('setcap'), 'libcap'],
  ['python3', 'python3', 'a second reader of file trees', program('python3'), 'python'],
  ['losetup', 'losetup', 'lets the kernel judge the file systems of images', program('losetup'), 'mount'],
  ['unshare', 'unshare', 'throw-away namespaces', program('unshare'), 'util-linux'],
  ['flock', 'flock', 'locks of the updater', program('flock'), 'util-linux'],
  ['nft', 'nft', "checks a card's firewall rules", program('nft'), 'nftables'],
  ['avahi-daemon', 'avahi-daemon', 'answers multicast DNS in namespaces, as a Raspberry Pi does', program('avahi-daemon'), 'avahi'],
  ['named', 'named', 'answers with the zone file that `dns` prints', program('named'), 'bind'],
  ['named-checkzone', 'named-checkzone', 'a second reader of zone files', program('named-checkzone'), 'bind-check'],
  ['dnsmasq', 'dnsmasq', 'answers with the configuration that `dns` prints', program('dnsmasq'), 'dnsmasq'],
  ['cron', 'cron', 'starts services after a restart of a host without root', program('cron'), 'cron'],
  ['certbot', 'certbot', 'gets the certificates of the recipe prosody', program('certbot'), 'certbot'],
  ['pebble', 'pebble', 'the authority that it gets them from', program('pebble'), 'pebble'],
  ['turnutils_uclient', 'turnutils_uclient', 'makes calls through coturn, with the credentials that Prosody gives', program('turnutils_uclient'), 'coturn'],
  ['slixmpp', 'slixmpp', 'a chat client that knows nothing of prose-ship', file('/usr/lib/python3/dist-packages/slixmpp/__init__.py'), 'slixmpp'],
  ['aiohttp', 'aiohttp', 'with which slixmpp sends files', file('/usr/lib/python3/dist-packages/aiohttp/__init__.py'), 'slixmpp'],
  ['localedef', 'localedef', "makes a card's locale", program('localedef'), 'libc-bin'],
  ['useradd', 'useradd', 'users of throw-away hosts', program('useradd'), 'passwd'],
  ['systemctl', 'systemctl', "enables a card's units", program('systemctl'), 'systemd'],
  ['systemd-analyze', 'systemd-analyze', "checks a card's units", program('systemd-analyze'), 'systemd'],
  ['locales', 'sources of locales', "a card's locale is made of them", file('/usr/share/i18n/SUPPORTED'), 'locales'],
  ['tzdata', 'time zones', "a card's time zone is one of them", file('/usr/share/zoneinfo/Europe/Berlin'), 'tzdata'],
];

/** Second readers and writers of our formats, and what tests make their worlds with. */
export const testRequirements: readonly Requirement[] = rows.map(([id, what, why, check, part]) => ({ id, what, why, purpose: 'test', check, parts: [part], linuxOnly: true }));
