import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import test from 'ava';
import { partialPaths } from '../../../../src/host/ssh/connection.ts';
import { Link } from '../../../support/hosts/link.ts';
import { sampleContent } from '../../../support/disks/sample-content.ts';
import { Uploads, failed, mebibyte, sha256 } from './uploads.ts';

let uploads: Uploads;
test.before(async () => {
  uploads = await Uploads.start();
});
test.after.always(async () => {
  await uploads.stop();
});

test.serial('a partial file that the host has damaged is found, removed, and the next run sends it whole', async (t) => {
  await using link = await Link.to(uploads.sshd.port);
  const file = await uploads.target();
  const sizeBytes = 32 * mebibyte;
  await uploads.cutAfter(t, link, file, sizeBytes, 26 * mebibyte);
  const { partial } = partialPaths(file, sampleContent(sizeBytes));
  const handle = await open(partial, 'r+');
  await handle.write(Buffer.from('rot'), 0, 3, 4 * mebibyte);
  await handle.close();
  const send = () =>
    uploads.withConnection(link, async ({ files }) => {
      const upload = await files.resume(sampleContent(sizeBytes), file);
      await upload.send();
      return upload.doneBytes;
    });
  const error = await failed(t, send(), 'E_UPLOAD_DIGEST');
  t.regex(error.message, /on device for .*image\.tar is damaged.*has been removed/);
  t.regex(error.remedy ?? '', /sent whole/);
  t.deepEqual(await readdir(path.dirname(file)), []);
  t.is(await send(), 0);
  t.is(await sha256(file), sampleContent(sizeBytes).digest);
});

test.serial('a map that cannot be right is not believed', async (t) => {
  const sizeBytes = 3 * mebibyte + 5;
  const content = sampleContent(sizeBytes);
  const whole: Buffer[] = [];
  for await (const chunk of content.read(0)) whole.push(Buffer.from(chunk));
  const bytes = Buffer.concat(whole);
  const begun = async (map: string | undefined, partialBytes: number) => {
    const file = await uploads.target();
    const names = partialPaths(file, content);
    await writeFile(names.partial, bytes);
    await truncate(names.partial, partialBytes);
    if (map !== undefined) await writeFile(names.map, map);
    const doneBytes = await uploads.withConnection(undefined, async ({ files }) => {
      const upload = await files.resume(content, file);
      await upload.send();
      return upload.doneBytes;
    });
    t.is(await sha256(file), content.digest);
    t.deepEqual(await readdir(path.dirname(file)), ['image.tar']);
    return doneBytes;
  };
  t.is(await begun('1111', mebibyte), 0, 'a file shorter than its map says');
  t.is(await begun('111', sizeBytes), 0, 'a map of another length');
  t.is(await begun('11x1', sizeBytes), 0, 'a map with something else in it');
  t.is(await begun(undefined, sizeBytes), 0, 'no map');
  t.is(await begun('1010', sizeBytes), 2 * mebibyte, 'holes are filled');
  t.is(await begun('1111', sizeBytes), sizeBytes, 'all is there but the name');
  t.is(await begun('0001', sizeBytes), 5, 'only the short last one');
});

test.serial('two contents for the same file do not mix', async (t) => {
  await using link = await Link.to(uploads.sshd.port);
  const file = await uploads.target();
  const sizeBytes = 32 * mebibyte;
  await uploads.cutAfter(t, link, file, sizeBytes, 26 * mebibyte);
  const other = sampleContent(sizeBytes, 'b');
  await uploads.withConnection(link, async ({ files }) => {
    const upload = await files.resume(other, file);
    t.is(upload.doneBytes, 0);
    await upload.send();
  });
  t.is(await sha256(file), other.digest);
  await uploads.withConnection(link, async ({ files }) => {
    const upload = await files.resume(sampleContent(sizeBytes), file);
    t.true(upload.doneBytes > 0 && upload.doneBytes < sizeBytes, 'what was begun of the first is still its own');
    await upload.send();
  });
  t.is(await sha256(file), sampleContent(sizeBytes).digest);
});

test.serial('only chunks that were flushed are in the map, and a resumed upload reads no further ahead than the window', async (t) => {
  await using link = await Link.to(uploads.sshd.port);
  const file = await uploads.target();
  const sizeBytes = 64 * mebibyte;
  await uploads.cutAfter(t, link, file, sizeBytes, 26 * mebibyte);
  const { partial, map } = partialPaths(file, sampleContent(sizeBytes));
  const marks = await readFile(map, 'utf8');
  t.regex(marks, /^1{7,26}0+$/);
  const content = sampleContent(sizeBytes);
  for (let chunk = 0; chunk < marks.lastIndexOf('1'); chunk++) t.is(await sha256Range(partial, chunk), await sha256Chunk(content, chunk));
  const counted = sampleContent(sizeBytes);
  let furthestBytes = 0;
  await uploads.withConnection(link, async ({ files }) => {
    const upload = await files.resume(counted, file);
    await upload.send({
      onProgress: (doneBytes) => (furthestBytes = Math.max(furthestBytes, upload.doneBytes + counted.givenBytes() - doneBytes)),
    });
  });
  t.true(furthestBytes <= 2 * mebibyte + 300_000, String(furthestBytes));
});

async function sha256Range(file: string, chunk: number): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { start: chunk * mebibyte, end: (chunk + 1) * mebibyte - 1 }), hash);
  return hash.digest('hex');
}

async function sha256Chunk(content: ReturnType<typeof sampleContent>, chunk: number): Promise<string> {
  const hash = createHash('sha256');
  let missing = mebibyte;
  for await (const bytes of content.read(chunk * mebibyte)) {
    const part = (bytes as Buffer).subarray(0, missing);
    hash.update(part);
    if ((missing -= part.length) === 0) break;
  }
  return hash.digest('hex');
}
