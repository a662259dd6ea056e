import { createHash } from 'node:crypto';
import { Enums, Models, Serialize, Spec } from '@cyclonedx/cyclonedx-library';
import { formatPlatform } from '../../oci/platform.ts';
import { parseReference } from '../../oci/reference.ts';
import type { DebianPackage } from './dpkg-status.ts';
import type { ImageContents } from './image-contents.ts';
import type { OsRelease } from './os-release.ts';
import { debianPackageUrl } from './package-url.ts';

/** What a bill of materials is about, and of what it consists. */
export interface BillOfMaterials {
  readonly subject: {
    readonly type: 'card' | 'release';
    readonly name: string;
    readonly version: string;
    /** `prose-ship:KEY` properties. */
    readonly properties?: Readonly<Record<string, string>>;
  };
  /** The operating system of a card. */
  readonly os?: { readonly release?: OsRelease; readonly packages: readonly DebianPackage[] };
  readonly containers: readonly ImageContents[];
  /** Absent where the same content must have the same bytes whenever it is made. */
  readonly created?: Date;
  /** The version of prose-ship; absent for the same reason. */
  readonly toolVersion?: string;
}

/**
 * CycloneDX 1.6 as JSON. The subject depends on the operating system and on the containers, each of these on the packages
 * inside it. The same input gives the same bytes: the serial number is made of the content, every list is in a fixed order.
 */
export function formatBillOfMaterials(input: BillOfMaterials): string {
  const bom = build(input);
  // Without `sortLists`: the library sorts by the user's locale.
  const serialize = () => `${serializer.serialize(bom, { space: 2, sortLists: false })}\n`;
  bom.serialNumber = serialNumber(serialize());
  return serialize();
}

const serializer = new Serialize.JsonSerializer(new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6));

function build({ subject, os, containers, created, toolVersion }: BillOfMaterials): Models.Bom {
  const bom = new Models.Bom();
  if (created) bom.metadata.timestamp = created;
  bom.metadata.tools.components.add(component(Enums.ComponentType.Application, 'prose-ship', toolVersion, 'tool:prose-ship'));
  const type = subject.type === 'card' ? Enums.ComponentType.Firmware : Enums.ComponentType.Application;
  const whole = component(type, subject.name, subject.version, `${subject.type}:${subject.name}@${subject.version}`, subject.properties);
  bom.metadata.component = whole;
  const parts = [...(os ? [osComponent(os)] : []), ...containers.map(containerComponent)];
  for (const part of parts) {
    bom.components.add(part);
    whole.dependencies.add(part.bomRef);
  }
  return bom;
}

function osComponent({ release, packages }: NonNullable<BillOfMaterials['os']>): Models.Component {
  const { id = 'linux', versionId, prettyName } = release ?? {};
  const part = component(Enums.ComponentType.OperatingSystem, id, versionId, 'os');
  if (prettyName) part.description = prettyName;
  return withPackages(part, packages, release);
}

function containerComponent({ image, os, packages, software }: ImageContents): Models.Component {
  const { component: name, platform, reference, configDigest, archive } = image;
  const ref = `container:${name}:${formatPlatform(platform)}`;
  const part = component(Enums.ComponentType.Container, reference, parseReference(reference)?.tag, ref, {
    'image:component': name,
    'image:config-digest': configDigest,
    'image:platform': formatPlatform(platform),
    'image:archive-digest': archive.digest,
  });
  const inside = software ? component(Enums.ComponentType.Application, software.name, software.version, `${ref}/software`) : undefined;
  return withPackages(part, packages, os, inside);
}

function withPackages(part: Models.Component, packages: readonly DebianPackage[], os?: OsRelease, software?: Models.Component): Models.Component {
  const inside = packages.map((one) => packageComponent(one, String(part.bomRef.value), os));
  for (const one of [...(software ? [software] : []), ...inside]) {
    part.components.add(one);
    part.dependencies.add(one.bomRef);
  }
  return part;
}

function packageComponent(one: DebianPackage, parent: string, os?: OsRelease): Models.Component {
  const purl = debianPackageUrl(one, os);
  const properties = one.source ? { 'deb:source': `${one.source.name}@${one.source.version}` } : undefined;
  const part = component(Enums.ComponentType.Library, one.name, one.version, `${parent}/${purl}`, properties);
  part.purl = purl;
  if (one.license) part.licenses.add(new Models.LicenseExpression(one.license));
  return part;
}

function component(type: Enums.ComponentType, name: string, version: string | undefined, bomRef: string, properties: Readonly<Record<string, string>> = {}): Models.Component {
  const part = new Models.Component(type, name, { bomRef, ...(version ? { version } : {}) });
  for (const [key, value] of Object.entries(properties)) part.properties.add(new Models.Property(`prose-ship:${key}`, value));
  return part;
}

/** A UUID of version 8 (RFC 9562, 5.8) made of the sha256 of the text. */
function serialNumber(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  const variant = ((parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16);
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
