/** What a person wants to do with prose-ship here: `cards` is to boot images and to check the bases of cards. */
export const purposes = ['build', 'cards', 'demo', 'test'] as const;
export type Purpose = (typeof purposes)[number];

/** How to find out whether a requirement is met. */
export type Check =
  | { readonly kind: 'program'; readonly name: string }
  | { readonly kind: 'command'; readonly program: string; readonly args: readonly string[] }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'node'; readonly minimumMajor: number }
  | { readonly kind: 'engine' }
  | { readonly kind: 'emulation'; readonly platform: string };

/** What a requirement is met by; names of parts, which `packages.ts` turns into a distribution's package names. */
export type Part =
  | 'engine'
  | 'client'
  | 'buildx'
  | 'compose'
  | 'emulation'
  | 'mmdebstrap'
  | 'keyring'
  | 'ssh-client'
  | 'ssh-server'
  | 'iptables'
  | 'iproute2'
  | 'openssl'
  | 'mount'
  | 'tar'
  | 'sudo'
  | 'shellcheck'
  | 'nginx'
  | 'skopeo'
  | 'zstd'
  | 'git'
  | 'curl'
  | 'busybox'
  | 'xmpp-client'
  | 'qemu-system'
  | 'qemu-utils'
  | 'gnupg'
  | 'util-linux'
  | 'fdisk'
  | 'gdisk'
  | 'dosfstools'
  | 'mtools'
  | 'bmap-tools'
  | 'e2fsprogs'
  | 'xz'
  | 'gzip'
  | 'bzip2'
  | 'attr'
  | 'acl'
  | 'libcap'
  | 'python'
  | 'nftables'
  | 'avahi'
  | 'dnsmasq'
  | 'cron'
  | 'bind'
  | 'bind-check'
  | 'certbot'
  | 'pebble'
  | 'coturn'
  | 'slixmpp'
  | 'locales'
  | 'libc-bin'
  | 'tzdata'
  | 'passwd'
  | 'systemd';

/** One thing that this machine must have. */
export interface Requirement {
  readonly id: string;
  readonly what: string;
  readonly why: string;
  /** The first purpose that needs it. */
  readonly purpose: Purpose;
  readonly check: Check;
  readonly parts: readonly Part[];
  /** What to do by hand where no package helps. */
  readonly advice?: string;
  /** Only Linux has it and needs it; Docker Desktop brings its own. */
  readonly linuxOnly?: boolean;
}

/** The answer of one check. */
export interface Finding {
  readonly requirement: Requirement;
  readonly isMet: boolean;
  /** Where it is not met: whether its packages are there, so that installing them would not help. */
  readonly isInstalled: boolean;
  /** What was found: a version, a path, or why it is not met. */
  readonly detail: string;
}

const smaller: Readonly<Record<Purpose, readonly Purpose[]>> = {
  build: [],
  cards: ['build'],
  demo: ['build'],
  test: ['build', 'cards', 'demo'],
};

/** Whether `purpose` includes what `needed` needs. */
export function includesPurpose(purpose: Purpose, needed: Purpose): boolean {
  return purpose === needed || smaller[purpose].includes(needed);
}
