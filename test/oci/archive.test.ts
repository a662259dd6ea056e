import { randomBytes } from 'node:crypto';
import { copyFile, open, readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import test from 'ava';
import { extract } from 'tar-stream';
import { ShipError } from '../../src/errors.ts';
import { partialArchive, readRanges } from '../../src/oci/archive/partial-archive.ts';
import { openArchive, verifyArchive, type Archive } from '../../src/oci/archive/read-archive.ts';
import { writeArchive } from '../../src/oci/archive/write-archive.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { readLayout } from '../../src/oci/layout.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { imageLayout, type LayerFiles, type LayoutOptions } from '../support/releases/image-layout.ts';

const layers: readonly LayerFiles[] = [
  { 'etc/os-release': 'ID=test\n', 'usr/blob': randomBytes(300_000) },
  { 'app/code': randomBytes(40_000) },
  { 'app/version': '1\n' },
];

async function makeArchive(content = layers, options?: LayoutOptions): Promise<string> {
  const [image] = await readLayout(await imageLayout(content, options));
  const file = path.join(await temporaryDirectory('archive'), 'image.tar.zst');
  await writeArchive(image!, 'example/app:1.0.0-abc', file);
  return file;
}

/** Unpacked by the zstd program, which knows nothing of ours. */
async function entriesOf(archive: Buffer): Promise<Map<string, number>> {
  const { stdout: tar } = await execa('zstd', ['-dc'], { input: archive, encoding: 'buffer' });
  const names = new Map<string, number>();
  const entries = extract();
  entries.end(tar);
  for await (const entry of entries) {
    names.set(entry.header.name, entry.header.size);
    entry.resume();
  }
  return names;
}

async function readPartial(archive: Archive, chains: readonly (readonly Digest[])[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of readRanges(archive.file, partialArchive(archive, chains).ranges)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('an archive is a docker-archive and an OCI layout in one, and verifies', async (t) => {
  const file = await makeArchive();
  const archive = await verifyArchive(file);
  t.is(archive.reference, 'example/app:1.0.0-abc');
  t.is(archive.diffIds.length, 3);
  const names = await entriesOf(await readFile(file));
  t.true(names.has('manifest.json') && names.has('index.json') && names.has('oci-layout'));
  for (const { diffId, sizeBytes } of archive.layers) t.is(names.get(`blobs/sha256/${diffId.slice(7)}`), sizeBytes);
});

test('the same image gives the same bytes, however its layers were stored', async (t) => {
  const [plain, again, gzipped] = await Promise.all([makeArchive(), makeArchive(), makeArchive(layers, { gzip: true })]);
  const bytes = await readFile(plain);
  t.true(bytes.equals(await readFile(again)));
  t.true(bytes.equals(await readFile(gzipped)));
});

test('a layer that occurs twice is stored once', async (t) => {
  const archive = await verifyArchive(await makeArchive([layers[0]!, layers[1]!, layers[0]!]));
  t.is(archive.diffIds.length, 3);
  t.is(archive.layers.length, 2);
});

test('a partial archive leaves out exactly the longest common prefix and stays an archive', async (t) => {
  const archive = await openArchive(await makeArchive());
  const [a, b, c] = archive.diffIds as [Digest, Digest, Digest];
  const partial = partialArchive(archive, [[a], [a, b, 'sha256:other'], [b, c]]);
  t.deepEqual(partial.diffIds, [c]);
  const bytes = await readPartial(archive, [[a, b]]);
  t.is(bytes.length, partial.sizeBytes);
  const names = await entriesOf(bytes);
  t.true(names.has('manifest.json') && names.has(`blobs/sha256/${c.slice(7)}`));
  t.false(names.has(`blobs/sha256/${a.slice(7)}`) || names.has(`blobs/sha256/${b.slice(7)}`));
});

test('a layer in the middle is sent when its parent differs', async (t) => {
  const archive = await openArchive(await makeArchive());
  const [, b, c] = archive.diffIds as [Digest, Digest, Digest];
  t.is(partialArchive(archive, [[b, c]]).diffIds.length, 3);
});

test('nothing but the documents is sent when every layer is there', async (t) => {
  const archive = await openArchive(await makeArchive());
  t.true(partialArchive(archive, [archive.diffIds]).sizeBytes < 4096);
});

test('a truncated archive is refused', async (t) => {
  const file = await makeArchive();
  await truncate(file, (await readFile(file)).length - 1000);
  const error = await t.throwsAsync(verifyArchive(file), { instanceOf: ShipError });
  t.is((error).code, 'E_ARCHIVE_DAMAGED');
  t.regex(error.message, /truncated/);
  t.is((error).place?.file, file);
});

test('one flipped bit anywhere is found', async (t) => {
  const file = await makeArchive();
  const bytes = await readFile(file);
  const positions = [3, 200, 5_000, 100_000, 320_000, bytes.length - 60, bytes.length - 30, bytes.length - 2];
  for (const position of positions) {
    const changed = `${file}.${position}`;
    await copyFile(file, changed);
    const handle = await open(changed, 'r+');
    await handle.write(Buffer.from([(bytes[position] ?? 0) ^ 0x10]), 0, 1, position);
    await handle.close();
    const error = await t.throwsAsync(verifyArchive(changed), { instanceOf: ShipError }, `byte ${position}`);
    t.is((error).code, 'E_ARCHIVE_DAMAGED');
  }
});

test('a file that is no archive is refused', async (t) => {
  const file = path.join(await temporaryDirectory('archive'), 'empty');
  await writeFile(file, '');
  await t.throwsAsync(openArchive(file), { message: /no seek table/ });
  await t.throwsAsync(openArchive(`${file}.missing`), { message: /cannot be read/ });
});

test('a layout whose layer is not what its config says is refused while writing', async (t) => {
  const directory = await imageLayout(layers);
  const [image] = await readLayout(directory);
  const layer = image!.manifest.layers[1]!;
  await writeFile(path.join(directory, 'blobs/sha256', layer.digest.slice(7)), Buffer.alloc(layer.size));
  const target = path.join(directory, 'image.tar.zst');
  await t.throwsAsync(writeArchive(image!, 'example/app:1', target), { message: /has the content of/ });
});

test('skopeo reads the same image from it as docker-archive and as OCI archive', async (t) => {
  const file = await makeArchive();
  const { diffIds, reference } = await openArchive(file);
  for (const transport of ['docker-archive', 'oci-archive']) {
    const { stdout } = await execa('skopeo', ['inspect', '--config', `${transport}:${file}`]);
    const config = JSON.parse(stdout) as { rootfs: { diff_ids: string[] } };
    t.deepEqual(config.rootfs.diff_ids, [...diffIds], `${transport} of ${reference}`);
  }
});
