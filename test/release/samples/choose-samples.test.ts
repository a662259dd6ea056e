import path from 'node:path';
import test from 'ava';
import { digestOf } from '../../../src/oci/digest.ts';
import { openArchive } from '../../../src/oci/archive/read-archive.ts';
import { writeArchive } from '../../../src/oci/archive/write-archive.ts';
import { readLayout } from '../../../src/oci/layout.ts';
import { walkLayers } from '../../../src/release/image-layers.ts';
import { pickSamples, samplePath, sampleTree } from '../../../src/release/samples/choose-samples.ts';
import { imageLayout, type LayerFiles } from '../../support/releases/image-layout.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** Files below bin/ are executable in these layers. */
async function samplesOf(layers: readonly LayerFiles[]) {
  const [image] = await readLayout(await imageLayout(layers));
  const file = path.join(await temporaryDirectory('samples'), 'image.tar.zst');
  await writeArchive(image!, 'example/a:1', file);
  const tree = sampleTree();
  await walkLayers(await openArchive(file), [tree.visit]);
  return pickSamples(tree.files());
}

async function pathsOf(layers: readonly LayerFiles[]): Promise<string[]> {
  return (await samplesOf(layers)).map((sample) => sample.path);
}

test('of each layer the last file, the largest program and the smallest file, with size and digest', async (t) => {
  const content = 'a program of some size';
  const samples = await samplesOf([{ 'bin/small': 'ab', 'bin/large': content, 'etc/one': '1', 'etc/other': 'other', 'etc/last': 'last' }]);
  t.deepEqual(samples, [
    { path: 'bin/large', sizeBytes: content.length, digest: digestOf(content) },
    { path: 'etc/last', sizeBytes: 4, digest: digestOf('last') },
    { path: 'etc/one', sizeBytes: 1, digest: digestOf('1') },
  ]);
  t.deepEqual(await samplesOf([{ 'etc/only': 'x' }]), [{ path: 'etc/only', sizeBytes: 1, digest: digestOf('x') }]);
});

test('what upper layers replace or take away is not chosen', async (t) => {
  t.deepEqual(await pathsOf([{ 'etc/a': 'below' }, { 'etc/a': 'above' }]), ['etc/a']);
  t.deepEqual((await samplesOf([{ 'etc/a': 'below' }, { 'etc/a': 'above' }]))[0]?.sizeBytes, 5);
  t.deepEqual(await pathsOf([{ 'etc/a': '1', 'etc/b/c': '2', 'srv/x': '3' }, { 'etc/.wh.a': '', 'etc/.wh.b': '' }]), ['srv/x']);
  t.deepEqual(await pathsOf([{ 'etc/b/c': '1', 'etc/a': '2' }, { 'etc/b': 'a file now' }]), ['etc/a', 'etc/b']);
  t.deepEqual(await pathsOf([{ 'etc/a': '1', 'srv/x': '3' }, { 'etc/new': '2', 'etc/.wh..wh..opq': '' }]), ['etc/new', 'srv/x'], 'it hides lower layers only');
  t.deepEqual(await pathsOf([{ 'etc/a': '1' }, { '.wh..wh..opq': '', 'srv/x': '3' }]), ['srv/x']);
  t.deepEqual(await pathsOf([{ 'etc/ab': '1' }, { 'etc/.wh.a': '' }]), ['etc/ab'], 'a name that only begins like it stays');
});

test('empty and large files, names that need quoting, and what engines lay over an image are not chosen', async (t) => {
  const large = Buffer.alloc(4 * 1024 * 1024 + 1, 'x');
  const odd = { 'etc/empty': '', 'bin/large': large, 'etc/a b': '1', "etc/it's": '1', 'etc/ä': '1', 'etc/$x': '1', 'etc/tab\tname': '1' };
  const overlaid = { 'etc/hosts': '1', 'etc/resolv.conf': '1', 'etc/hostname': '1', 'dev/null': '1', 'proc/x': '1', 'run/x': '1', '.dockerenv': '1' };
  t.deepEqual(await pathsOf([{ ...odd, ...overlaid, 'etc/hosts.allow': '1' }]), ['etc/hosts.allow']);
  t.deepEqual(await samplesOf([odd]), []);
  for (const bad of ['', '/etc/a', '../a', 'a/../b', 'a/..', './a', 'a//b', 'a/', 'a\nb', 'a;b']) t.notRegex(bad, samplePath, bad);
});

test('at most six, those of the upper layers first, and the same each time', async (t) => {
  const layers = Array.from({ length: 12 }, (_, index) => ({ [`etc/${index}/first`]: 'abc', [`bin/${index}`]: 'abcd', [`etc/${index}/last`]: 'ab' }));
  const paths = await pathsOf(layers);
  t.deepEqual(paths, [6, 7, 8, 9, 10, 11].map((index) => `etc/${index}/last`).sort());
  t.deepEqual(await pathsOf(layers), paths);
});
