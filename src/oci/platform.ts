/** A platform of the OCI image index (image-spec, image-index.md): `{os: 'linux', architecture: 'arm', variant: 'v7'}`. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** Reads `os/architecture[/variant]` and normalises it as containerd does: arm64/v8 is arm64, arm alone is arm/v7. */
export function parsePlatform(text: string): Platform | undefined {
  const match = /^([a-z0-9]+)\/([a-z0-9]+)(?:\/([a-z0-9]+))?$/.exec(text);
  if (!match) return undefined;
  const [, os, architecture, variant] = match as unknown as [string, string, string, string?];
  return normalizePlatform({ os, architecture, ...(variant ? { variant } : {}) });
}

export function normalizePlatform({ os, architecture, variant }: Platform): Platform {
  if (architecture === 'arm64') return { os, architecture };
  if (architecture === 'arm') return { os, architecture, variant: variant || 'v7' };
  return { os, architecture, ...(variant ? { variant } : {}) };
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter(Boolean).join('/');
}

/** For file names: `linux-arm-v7`. */
export function platformSlug(platform: Platform): string {
  return formatPlatform(platform).replaceAll('/', '-');
}

export function samePlatform(a: Platform, b: Platform): boolean {
  return formatPlatform(normalizePlatform(a)) === formatPlatform(normalizePlatform(b));
}

/** Each once, where it comes first. */
export function distinctPlatforms(platforms: readonly Platform[]): readonly Platform[] {
  return platforms.filter((platform, index) => platforms.findIndex((other) => samePlatform(platform, other)) === index);
}

/** Debian's architecture of a platform (wiki.debian.org, ArchitectureSpecificsMemo); undefined where Debian has none. */
export function debianArchitecture(platform: Platform): string | undefined {
  return { 'linux/arm/v7': 'armhf', 'linux/arm64': 'arm64', 'linux/amd64': 'amd64' }[formatPlatform(platform)];
}

/** The platform of what `uname -m` prints; undefined for machines that no recipe builds for. */
export function platformOfMachine(machine: string): Platform | undefined {
  const architectures: Record<string, string> = {
    x86_64: 'linux/amd64',
    aarch64: 'linux/arm64',
    arm64: 'linux/arm64',
    armv7l: 'linux/arm/v7',
    armv8l: 'linux/arm/v7',
    armv6l: 'linux/arm/v6',
  };
  const text = architectures[machine];
  return text ? parsePlatform(text) : undefined;
}
