import { appendFile, readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { ShipError } from '../../../src/errors.ts';
import { verifyRelease } from '../../../src/release/verify-release.ts';
import { formatBillOfMaterials } from '../../../src/release/sbom/bill-of-materials.ts';
import { readImageContents } from '../../../src/release/sbom/image-contents.ts';
import { releaseSbom, sbomFile } from '../../../src/release/sbom/release-sbom.ts';
import { cyclonedxSchema } from '../../support/releases/cyclonedx-schema.ts';
import { packedRelease } from '../../support/releases/packed-release.ts';

interface Component {
  readonly 'bom-ref': string;
  readonly type: string;
  readonly name: string;
  readonly version?: string;
  readonly purl?: string;
  readonly components?: readonly Component[];
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
}
interface Bom {
  readonly serialNumber: string;
  readonly metadata: { readonly timestamp?: string; readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}

const status = (version: string) => `Package: prosody\nStatus: install ok installed\nArchitecture: arm64\nVersion: ${version}\n\nPackage: base-files\nStatus: install ok installed\nArchitecture: arm64\nVersion: 13.8\n`;
const layers = [
  { 'usr/lib/os-release': 'ID=debian\nVERSION_ID="13"\n', 'var/lib/dpkg/status': status('13.0.0-1') },
  { 'var/lib/dpkg/status': status('13.0.1-1'), 'usr/share/prose-ship/component.json': '{"name":"prosody","version":"13.0.1"}\n' },
];
const schema = cyclonedxSchema();

test('a release\'s bill of materials names its containers and what is in them, by the published schema', async (t) => {
  const release = await packedRelease(layers);
  const text = await readFile(path.join(release.directory, sbomFile), 'utf8');
  const bom = JSON.parse(text) as Bom;
  t.deepEqual(schema.safeParse(bom).error?.issues, undefined);
  const [image] = release.manifest.images;
  const [container, ...others] = bom.components;
  t.deepEqual(others, []);
  t.like(container, { type: 'container', name: image!.reference });
  t.true(container!.properties?.some(({ name, value }) => name === 'prose-ship:image:config-digest' && value === image!.configDigest));
  t.deepEqual(
    container!.components?.map(({ type, name, version, purl }) => [type, name, version, purl]),
    [
      ['application', 'prosody', '13.0.1', undefined],
      ['library', 'base-files', '13.8', 'pkg:deb/debian/base-files@13.8?arch=arm64&distro=debian-13'],
      ['library', 'prosody', '13.0.1-1', 'pkg:deb/debian/prosody@13.0.1-1?arch=arm64&distro=debian-13'],
    ],
  );
  const dependsOn = (ref: string) => bom.dependencies.find((one) => one.ref === ref)?.dependsOn;
  t.deepEqual(dependsOn(bom.metadata.component['bom-ref']), [container!['bom-ref']]);
  t.deepEqual(dependsOn(container!['bom-ref']), container!.components?.map((one) => one['bom-ref']));
  t.is(bom.metadata.timestamp, undefined);
});

test('the same release gives the same bytes; another content, another serial number', async (t) => {
  const [one, two] = await Promise.all([packedRelease(layers), packedRelease(layers)]);
  t.is(await releaseSbom(one), await releaseSbom(two));
  const other = await packedRelease([layers[0]!]);
  const serial = async (release: typeof one) => (JSON.parse(await releaseSbom(release)) as Bom).serialNumber;
  t.not(await serial(one), await serial(other));
  t.regex(await serial(one), /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('the bill of materials is a part of the release, and of what verify proves', async (t) => {
  const release = await packedRelease(layers);
  t.is(release.manifest.sbom?.path, sbomFile);
  await t.notThrowsAsync(verifyRelease(release.directory));
  await appendFile(path.join(release.directory, sbomFile), ' ');
  const error = await t.throwsAsync(verifyRelease(release.directory), { instanceOf: ShipError });
  t.is(error.code, 'E_RELEASE_DAMAGED');
  t.regex(error.message, /sbom\.cdx\.json has \d+ bytes/);
});

test('an image without a package database, and a component.json of somebody else\'s, are no failure', async (t) => {
  const release = await packedRelease([{ 'usr/share/prose-ship/component.json': '[]', 'app': 'x' }]);
  const [contents] = await readImageContents(release);
  t.deepEqual([contents?.packages, contents?.software, contents?.os], [[], undefined, undefined]);
  t.true(schema.safeParse(JSON.parse(await releaseSbom(release))).success);
});

test('the schema check can fail', (t) => {
  const bom = JSON.parse(formatBillOfMaterials({ subject: { type: 'card', name: 'x', version: '1' }, os: { packages: [] }, containers: [], created: new Date(0), toolVersion: '1' })) as Bom;
  t.true(schema.safeParse(bom).success);
  t.false(schema.safeParse({ ...bom, serialNumber: 'x' }).success);
  t.false(schema.safeParse({ ...bom, components: [{ ...bom.components[0], type: 'thing' }] }).success);
});
