import { encodedPart, type Digest } from '../../oci/digest.ts';

/** A .deb of the cache, and its name on the stick. */
export interface DebianPackage {
  /** Absolute. */
  readonly source: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly digest: Digest;
  /** Its control file, as dpkg-deb prints it. */
  readonly control: string;
}

/** As in Debian's own pool, `PACKAGE_VERSION_ARCHITECTURE.deb` without the version's epoch: its colon is no character of FAT. */
export function stickName(control: string): string {
  const version = field(control, 'Version').replace(/^\d+:/, '');
  return `${field(control, 'Package')}_${version}_${field(control, 'Architecture')}.deb`;
}

/** A Packages index (wiki.debian.org, DebianRepository/Format), sorted by file name. */
export function packageIndex(packages: readonly DebianPackage[]): string {
  return packages
    .map(({ path, sizeBytes, digest, control }) => `${control.trimEnd()}\nFilename: ./${path}\nSize: ${sizeBytes}\nSHA256: ${encodedPart(digest)}\n`)
    .join('\n');
}

function field(control: string, name: string): string {
  const value = new RegExp(`^${name}: *(\\S+)`, 'm').exec(control)?.[1];
  if (value === undefined) throw new Error(`a package without ${name}`);
  return value;
}
