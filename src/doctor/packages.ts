import type { Distribution } from './machine.ts';
import type { Part } from './requirement.ts';

/** Debian packages to install, and the release they must come from where the machine's own has none that will do. */
export interface PackageSet {
  /** From the machine's own release. */
  readonly own: readonly string[];
  /** From `newerSuite`. */
  readonly newer: readonly string[];
  /** A suite to be added as a source with a low priority; absent where `newer` is empty. */
  readonly newerSuite?: string;
}

/**
 * Package names of every part; `undefined` from the whole where the distribution is not one that this knows
 * (packages.debian.org, packages.ubuntu.com).
 */
export function packagesOf(parts: readonly Part[], distribution: Distribution): PackageSet | undefined {
  const family = familyOf(distribution);
  if (!family) return undefined;
  const names = (some: readonly Part[]): string[] => [...new Set(some.flatMap((part) => family.names[part] ?? common[part]))];
  const newerParts = family.newerSuite ? parts.filter((part) => fromNewer.includes(part)) : [];
  return {
    own: names(parts.filter((part) => !newerParts.includes(part))),
    newer: names(newerParts),
    ...(newerParts.length > 0 && family.newerSuite ? { newerSuite: family.newerSuite } : {}),
  };
}

const common: Readonly<Record<Part, readonly string[]>> = {
  engine: ['docker.io'],
  client: ['docker-cli'],
  buildx: ['docker-buildx'],
  compose: ['docker-compose'],
  emulation: ['qemu-user-binfmt'],
  // Only recommended by its package; without it no other architecture is made.
  mmdebstrap: ['mmdebstrap', 'arch-test'],
  keyring: ['debian-archive-keyring'],
  'ssh-client': ['openssh-client'],
  'ssh-server': ['openssh-server'],
  iptables: ['iptables'],
  iproute2: ['iproute2'],
  openssl: ['openssl'],
  mount: ['mount'],
  tar: ['tar'],
  sudo: ['sudo'],
  shellcheck: ['shellcheck'],
  nginx: ['nginx'],
  skopeo: ['skopeo'],
  zstd: ['zstd'],
  git: ['git'],
  curl: ['curl'],
  busybox: ['busybox-static'],
  'xmpp-client': ['go-sendxmpp'],
  // 64-bit machines, too.
  'qemu-system': ['qemu-system-arm'],
  'qemu-utils': ['qemu-utils'],
  gnupg: ['gnupg'],
  'util-linux': ['util-linux'],
  fdisk: ['fdisk'],
  gdisk: ['gdisk'],
  dosfstools: ['dosfstools'],
  mtools: ['mtools'],
  'bmap-tools': ['bmap-tools'],
  e2fsprogs: ['e2fsprogs'],
  xz: ['xz-utils'],
  gzip: ['gzip'],
  bzip2: ['bzip2'],
  attr: ['attr'],
  acl: ['acl'],
  libcap: ['libcap2-bin'],
  python: ['python3'],
  nftables: ['nftables'],
  avahi: ['avahi-daemon'],
  // The program alone: the package dnsmasq would also start it.
  dnsmasq: ['dnsmasq-base'],
  cron: ['cron'],
  bind: ['bind9'],
  'bind-check': ['bind9-utils'],
  certbot: ['certbot'],
  pebble: ['pebble'],
  // It starts only where systemd runs, or where its defaults file says so.
  coturn: ['coturn'],
  // aiohttp is only recommended by it.
  slixmpp: ['python3-slixmpp', 'python3-aiohttp'],
  locales: ['locales'],
  'libc-bin': ['libc-bin'],
  tzdata: ['tzdata'],
  passwd: ['passwd'],
  systemd: ['systemd'],
};

/**
 * Debian 12's engine is 20.10, without buildx; its Compose is version 1: all four come from one release together. Its
 * go-sendxmpp is 0.5, years older than the one that the tests were written with.
 */
const fromNewer: readonly Part[] = ['engine', 'client', 'buildx', 'compose', 'xmpp-client'];

interface Family {
  readonly names: Partial<Record<Part, readonly string[]>>;
  readonly newerSuite?: string;
}

function familyOf({ id, versionId }: Distribution): Family | undefined {
  const version = Number.parseFloat(versionId);
  // Until these releases QEMU's user emulation came in a package of static programs beside one of dynamic ones, which
  // do not run in containers.
  const staticQemu = { emulation: ['qemu-user-static'] };
  if (id === 'debian' || id === 'raspbian') {
    if (version < 12) return undefined;
    return version < 13 ? { names: staticQemu, newerSuite: 'trixie' } : { names: {} };
  }
  if (id === 'ubuntu') {
    if (version < 22) return undefined;
    const docker = { client: ['docker.io'], compose: ['docker-compose-v2'] };
    return { names: version < 25 ? { ...docker, ...staticQemu } : docker };
  }
  return undefined;
}
