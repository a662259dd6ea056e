import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { z } from 'zod';
import { ShipError } from '../../../src/errors.ts';
import { imageStem } from '../../../src/bake/publish/file-names.ts';
import { formatImageJson, readImageJson } from '../../../src/bake/publish/image-json.ts';
import { sampleDescription } from '../../support/releases/sample-description.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

async function fileOf(text: string): Promise<string> {
  const file = path.join(await temporaryDirectory('image-json'), 'chat.image.json');
  await writeFile(file, text);
  return file;
}

const sample = sampleDescription();
const text = formatImageJson(sample);

test('what was written is read again, and fits the published JSON Schema', async (t) => {
  const read = await readImageJson(await fileOf(text));
  t.deepEqual({ ...read, digest: sample.digest }, sample);
  const schemaFile = path.resolve(import.meta.dirname, '../../../schema/image.schema.json');
  const schema = z.fromJSONSchema(JSON.parse(await readFile(schemaFile, 'utf8')) as Parameters<typeof z.fromJSONSchema>[0]);
  t.deepEqual(schema.safeParse(JSON.parse(text)).error?.issues, undefined);
  t.false(schema.safeParse({ ...read, more: 1 }).success);
  t.false(schema.safeParse({ ...read, image: { ...read.image, sha256: 'x' } }).success);
});

test('every changed bit is noticed', async (t) => {
  const file = await fileOf(text);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = Buffer.from(bytes);
    changed[at] = changed[at]! ^ 1;
    await writeFile(file, changed);
    const error = await t.throwsAsync(readImageJson(file), { instanceOf: ShipError }, `byte ${at}`);
    t.is(error.code, 'E_IMAGE_DAMAGED');
    t.regex(error.message, /chat\.image\.json/);
  }
});

test('a file that is missing, or names files elsewhere', async (t) => {
  const missing = await t.throwsAsync(readImageJson('/nowhere/chat.image.json'), { instanceOf: ShipError });
  t.is(missing.code, 'E_IMAGE_FILES_MISSING');
  t.regex(missing.remedy ?? '', /prose-ship bake/);
  for (const name of ['../chat.img', '/etc/passwd', 'a/b', '.hidden', '']) {
    const elsewhere = formatImageJson({ ...sample, image: { ...sample.image, path: name } });
    t.is((await t.throwsAsync(readImageJson(await fileOf(elsewhere)), { instanceOf: ShipError })).code, 'E_IMAGE_DAMAGED', name);
  }
});

test('any file of an image tells the image', (t) => {
  for (const suffix of ['.img', '.img.xz', '.img.zst', '.img.sha256', '.img.xz.sha256', '.img.bmap', '.image.json', '.cdx.json', '.rpi-imager-manifest']) {
    t.is(imageStem(`/a/chat-1.0-linux-arm64${suffix}`), 'chat-1.0-linux-arm64', suffix);
  }
  for (const other of ['/a/release.json', '/a/os_list.json', '/a/.img', '/a/chat.img.txt']) t.is(imageStem(other), undefined, other);
});
