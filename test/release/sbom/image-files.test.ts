import path from 'node:path';
import test from 'ava';
import { openArchive } from '../../../src/oci/archive/read-archive.ts';
import { writeArchive } from '../../../src/oci/archive/write-archive.ts';
import { readLayout } from '../../../src/oci/layout.ts';
import { walkLayers } from '../../../src/release/image-layers.ts';
import { ImageFiles } from '../../../src/release/sbom/image-files.ts';
import { imageLayout, type LayerFiles } from '../../support/releases/image-layout.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const wanted = ['var/lib/dpkg/status', 'etc/os-release'];

async function filesOf(layers: readonly LayerFiles[]): Promise<Record<string, string>> {
  const [image] = await readLayout(await imageLayout(layers));
  const file = path.join(await temporaryDirectory('archive'), 'image.tar.zst');
  await writeArchive(image!, 'example/app:1', file);
  const archive = await openArchive(file);
  const found = new ImageFiles(archive, wanted);
  await walkLayers(archive, [found.visit]);
  return Object.fromEntries([...found.contents()].map(([name, content]) => [name, content.toString()]));
}

const base: LayerFiles = { 'etc/os-release': 'one', 'var/lib/dpkg/status': 'old', 'var/lib/dpkg/status-old': 'older' };

test('the last layer that has a file wins; names may begin with ./', async (t) => {
  t.deepEqual(await filesOf([base, { './var/lib/dpkg/status': 'new', 'x': 'y' }]), { 'etc/os-release': 'one', 'var/lib/dpkg/status': 'new' });
});

test('a whiteout takes away what is below its layer', async (t) => {
  t.deepEqual(await filesOf([base, { 'var/lib/dpkg/.wh.status': '' }]), { 'etc/os-release': 'one' });
  t.deepEqual(await filesOf([base, { 'var/.wh.lib': '' }]), { 'etc/os-release': 'one' });
  t.deepEqual(await filesOf([base, { 'var/lib/dpkg/.wh.statu': '' }, { 'etc/.wh.os-release': '' }, { 'etc/os-release': 'two' }]), {
    'etc/os-release': 'two',
    'var/lib/dpkg/status': 'old',
  });
});

test('an opaque folder hides what is below, not what its own layer has', async (t) => {
  t.deepEqual(await filesOf([base, { 'var/lib/dpkg/status': 'new', 'var/lib/.wh..wh..opq': '' }]), {
    'etc/os-release': 'one',
    'var/lib/dpkg/status': 'new',
  });
  t.deepEqual(await filesOf([base, { 'var/lib/.wh..wh..opq': '' }]), { 'etc/os-release': 'one' });
});

test('a folder that became a file holds nothing any more', async (t) => {
  t.deepEqual(await filesOf([base, { 'var/lib/dpkg': 'file' }]), { 'etc/os-release': 'one' });
});
