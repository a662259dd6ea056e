import { createHash, randomBytes } from 'node:crypto';
import { appendFile, copyFile, open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { execa } from 'execa';
import test, { type ExecutionContext } from 'ava';
import { ShipError } from '../../src/errors.ts';
import { openImageStream, writeSparse } from '../../src/bake/image-stream.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const shell = (script: string, cwd: string) => execa('sh', ['-ec', script], { cwd });

/** 1 MiB of data, 2 MiB of zeros, 1 MiB of data and an odd end. */
async function sample(): Promise<{ directory: string; image: string; sha256: string; sizeBytes: number }> {
  const directory = await temporaryDirectory('image-stream');
  const image = path.join(directory, 'card.img');
  await writeFile(image, Buffer.concat([randomBytes(1 << 20), Buffer.alloc(2 << 20), randomBytes(1 << 20), Buffer.from('end')]));
  return { directory, image, sha256: createHash('sha256').update(await readFile(image)).digest('hex'), sizeBytes: (4 << 20) + 3 };
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of (await openImageStream(file)).stream) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

const refuses = async (t: ExecutionContext, file: string, code: ShipError['code'], message: RegExp) => {
  const error = await t.throwsAsync(() => sha256Of(file), { instanceOf: ShipError, message });
  t.is(error.code, code);
  t.is(error.exitStatus, 2);
  t.truthy(error.remedy);
  t.is(error.place?.file, file);
};

test('every format is told by its first bytes and gives the image, whatever its name', async (t) => {
  const { directory, image, sha256, sizeBytes } = await sample();
  await shell(
    `xz -k -c card.img > xz.img; zstd -q -c card.img > zstd.img; gzip -c card.img > gzip.img; cp card.img raw.xz
     { head -c 1000000 card.img | gzip; tail -c +1000001 card.img | gzip; } > members.img
     { head -c 1000000 card.img | zstd -q; printf '\\120\\052\\115\\030\\004\\0\\0\\0abcd'; tail -c +1000001 card.img | zstd -q --no-check; } > frames.img
     xz -T0 --block-size=1MiB -C crc32 -k -c card.img > blocks.img; xz -9e -k -c card.img > nine.img
     { head -c 1000000 card.img | xz; head -c 8 /dev/zero; tail -c +1000001 card.img | xz; head -c 4 /dev/zero; } > streams.img`,
    directory,
  );
  await writeFile(path.join(directory, 'zip.img'), zip([{ name: 'README', content: Buffer.from('hi') }, { name: 'card.img', content: await readFile(image) }]));
  const expected = { xz: 'xz', zstd: 'zstd', gzip: 'gzip', members: 'gzip', frames: 'zstd', blocks: 'xz', nine: 'xz', streams: 'xz', zip: 'zip' };
  for (const [name, format] of Object.entries(expected)) {
    const file = path.join(directory, `${name}.img`);
    const opened = await openImageStream(file);
    opened.stream.destroy();
    t.is(opened.format, format as never, name);
    t.is(opened.sizeBytes, format === 'gzip' || name === 'frames' ? undefined : sizeBytes, name);
    t.is(await sha256Of(file), sha256, name);
  }
  const raw = await openImageStream(path.join(directory, 'raw.xz'));
  t.is(raw.format, 'raw');
  t.is(raw.sizeBytes, sizeBytes);
  raw.stream.destroy();
});

test('truncated and changed files are refused in every format', async (t) => {
  const { directory, image } = await sample();
  await shell('xz -k -c card.img > card.xz; zstd -q card.img -o card.zst; gzip -k card.img', directory);
  await writeFile(path.join(directory, 'card.zip'), zip([{ name: 'a.img', content: await readFile(image) }]));
  for (const name of ['card.xz', 'card.zst', 'card.img.gz', 'card.zip']) {
    const file = path.join(directory, name);
    const cut = path.join(directory, `cut-${name}`);
    await copyFile(file, cut);
    await truncate(cut, Math.floor((await stat(file)).size / 2));
    await refuses(t, cut, 'E_IMAGE_CORRUPT', /damaged/);
    const changed = path.join(directory, `changed-${name}`);
    await copyFile(file, changed);
    const handle = await open(changed, 'r+');
    await handle.write(randomBytes(64), 0, 64, 500_000);
    await handle.close();
    await refuses(t, changed, 'E_IMAGE_CORRUPT', /damaged/);
  }
  await appendFile(path.join(directory, 'card.zst'), 'rest');
  await refuses(t, path.join(directory, 'card.zst'), 'E_IMAGE_CORRUPT', /no zstd frame begins at byte \d+/);
  t.is(await sha256Of(path.join(directory, 'card.xz')), await sha256Of(image), 'the decompressor is free again after failures');
});

test('a stream that is left in the middle frees the decompressor for the next', async (t) => {
  const { directory, sha256 } = await sample();
  await shell('xz -k card.img', directory);
  const file = path.join(directory, 'card.img.xz');
  const unread = await openImageStream(file);
  unread.stream.destroy();
  const { stream } = await openImageStream(file);
  for await (const chunk of stream) {
    t.true((chunk as Buffer).length > 0);
    break;
  }
  t.true(stream.destroyed);
  t.is(await sha256Of(file), sha256);
});

test('what cannot be read is refused by name', async (t) => {
  const { directory } = await sample();
  await shell('xz -k -c --check=sha256 card.img > sha.xz; xz -k -c --x86 --lzma2 card.img > filter.xz; zstd -q --long=30 -c < card.img > long.zst; bzip2 -k card.img; : > empty.img; xz -c < /dev/null > empty.xz', directory);
  const at = (name: string) => path.join(directory, name);
  await refuses(t, at('sha.xz'), 'E_IMAGE_FORMAT', /SHA-256/);
  await refuses(t, at('filter.xz'), 'E_IMAGE_FORMAT', /filter/);
  await refuses(t, at('long.zst'), 'E_IMAGE_FORMAT', /window/);
  await refuses(t, at('card.img.bz2'), 'E_IMAGE_FORMAT', /bzip2/);
  await refuses(t, at('empty.img'), 'E_IMAGE_EMPTY', /empty/);
  await refuses(t, at('empty.xz'), 'E_IMAGE_EMPTY', /empty/);
  await refuses(t, at('none.img'), 'E_IMAGE_NOT_FOUND', /ENOENT/);
  await refuses(t, directory, 'E_IMAGE_NOT_FOUND', /folder/);
  const entry = (name: string) => ({ name, content: Buffer.from('x') });
  await writeFile(at('two.zip'), zip([entry('a.img'), entry('b.img')]));
  await writeFile(at('packed.zip'), zip([entry('a.img.xz')]));
  await refuses(t, at('two.zip'), 'E_IMAGE_FORMAT', /several files \('a.img', 'b.img'\)/);
  await refuses(t, at('packed.zip'), 'E_IMAGE_FORMAT', /compressed once more/);
});

test('a sparse copy is equal, leaves out zeros, and is there whole or not at all', async (t) => {
  const { directory, image, sha256, sizeBytes } = await sample();
  const target = path.join(directory, 'copy.img');
  let progress = 0;
  const result = await writeSparse((await openImageStream(image)).stream, target, { onProgress: (bytes) => (progress = bytes) });
  t.deepEqual(result, { sizeBytes, writtenBytes: (2 << 20) + 3 });
  t.is(progress, sizeBytes);
  t.is(await sha256Of(target), sha256);
  t.true((await stat(target)).blocks * 512 < 3 << 20);

  await shell('printf "\\037\\213\\010\\0\\0\\0\\0\\0\\0\\0" > cut.gz', directory);
  const { stream } = await openImageStream(path.join(directory, 'cut.gz'));
  await t.throwsAsync(() => writeSparse(stream, path.join(directory, 'never.img')), { code: 'E_IMAGE_CORRUPT' });
  const stopping = new AbortController();
  const whole = (await openImageStream(image)).stream;
  await t.throwsAsync(() => writeSparse(whole, path.join(directory, 'never.img'), { signal: stopping.signal, onProgress: () => stopping.abort(new Error('stop')) }), { message: 'stop' });
  t.true(whole.destroyed);
  await t.throwsAsync(() => stat(path.join(directory, 'never.img')), { code: 'ENOENT' });
});

/** A zip of deflated entries (APPNOTE 4.3), since no zip program is needed otherwise. */
function zip(entries: readonly { name: string; content: Buffer }[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content } of entries) {
    const data = deflateRawSync(content, { level: 1 });
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(8, 4);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), data]);
    const central = Buffer.alloc(14);
    central.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\0', 'latin1'), common, central, Buffer.from(name));
    locals.push(local);
    offset += local.length;
  }
  const list = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, list, end]);
}
