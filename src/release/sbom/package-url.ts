import type { DebianPackage } from './dpkg-status.ts';
import type { OsRelease } from './os-release.ts';

/**
 * `pkg:deb/debian/libstdc%2B%2B6@14.2.0-19?arch=arm64&distro=debian-13` (package-url specification, type deb). The
 * namespace is the vendor that built the package: Raspbian's 32-bit packages are not Debian's.
 */
export function debianPackageUrl({ name, version, architecture }: DebianPackage, os?: OsRelease): string {
  const vendor = os?.id ?? 'debian';
  const distribution = [vendor, os?.versionId].filter(Boolean).join('-');
  return `pkg:deb/${encode(vendor)}/${encode(name)}@${encode(version)}?arch=${encode(architecture)}&distro=${encode(distribution)}`;
}

/** The specification leaves letters, digits, `.-_~` and the colon as they are. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll('%3A', ':');
}
