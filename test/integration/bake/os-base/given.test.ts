import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import test from 'ava';
import { ShipError } from '../../../../src/errors.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { isTheImage, mebibyte, raw, serve, sha256, xz } from './bases.ts';

test('an address: redirected, checked by the sum beside it, or with a warning by nothing', async (t) => {
  const { server, acquire, messages } = await serve(t);
  server.files.set('/real.img.zst', { content: zstdCompressSync(raw) });
  server.files.set('/my%20image.img.zst', { content: '', redirectTo: `${server.url}/real.img.zst` });
  const base = await acquire(`${server.url}/my%20image.img.zst`);
  await isTheImage(t, base);
  t.is(base.name, 'my image');
  t.regex(messages.join('\n'), /warning: .*cannot be checked.*my%20image\.img\.zst\.sha256/);
  await acquire(`${server.url}/my%20image.img.zst`);
  t.is(server.gets('/real.img.zst').length, 1, 'the ETag is the same');
  server.files.set('/real.img.zst', { content: zstdCompressSync(randomBytes(5000)) });
  t.not((await acquire(`${server.url}/my%20image.img.zst`)).sha256, base.sha256);

  server.files.set('/a.img.xz', { content: xz, etag: 'none' });
  server.files.set('/a.img.xz.sha256', { content: `${'0'.repeat(64)}  b.img.xz\n${sha256(xz).toUpperCase()} *a.img.xz\n` });
  messages.length = 0;
  await isTheImage(t, await acquire(`${server.url}/a.img.xz`));
  await acquire(`${server.url}/a.img.xz`);
  t.is(server.gets('/a.img.xz').length, 1);
  t.notRegex(messages.join('\n'), /warning/);
  server.files.set('/a.img.xz.sha256', { content: `${'0'.repeat(64)}\n` });
  const error = await t.throwsAsync(acquire(`${server.url}/a.img.xz`), { code: 'E_CHECKSUM' });
  t.true(error.message.includes('0'.repeat(64)) && error.message.includes(sha256(xz)));
  await t.throwsAsync(acquire(`${server.url}/absent.img`), { code: 'E_DOWNLOAD', message: /404/ });
});

test('a file: raw where it lies, compressed through the cache, anew when it changed', async (t) => {
  const { acquire, cacheDirectory } = await serve(t);
  const directory = await temporaryDirectory('os-base');
  const file = (name: string) => path.join(directory, name);
  await writeFile(file('raw.bin'), raw);
  await writeFile(file('packed'), gzipSync(raw));
  const inPlace = await acquire(file('raw.bin'));
  t.is(inPlace.file, file('raw.bin'));
  await isTheImage(t, inPlace);
  const unpacked = await acquire(file('packed'));
  t.true(unpacked.file.startsWith(cacheDirectory));
  await isTheImage(t, unpacked);
  await unpacked.release();
  t.is((await acquire(file('packed'))).file, unpacked.file);
  const other = randomBytes(5000);
  await writeFile(file('packed'), gzipSync(other));
  await writeFile(file('raw.bin'), other);
  for (const name of ['packed', 'raw.bin']) t.is((await acquire(file(name))).sha256, sha256(other));

  await writeFile(file('empty'), '');
  await writeFile(file('cut.xz'), xz.subarray(0, 2 * mebibyte));
  for (const [name, code] of [['absent.img', 'E_IMAGE_NOT_FOUND'], ['empty', 'E_IMAGE_EMPTY'], ['cut.xz', 'E_IMAGE_CORRUPT']] as const) {
    const error = await t.throwsAsync(acquire(file(name)), { instanceOf: ShipError, code });
    t.is(error.place?.file, file(name));
    t.is(error.exitStatus, 2);
  }
});

test('a name that is no base is refused; debian is no image', async (t) => {
  const { acquire } = await serve(t);
  const error = await t.throwsAsync(acquire('ubuntu'), { instanceOf: ShipError, code: 'E_BASE_UNKNOWN', message: /'ubuntu'/ });
  t.is(error.exitStatus, 2);
  t.regex(error.remedy ?? '', /raspios-lite, raspios-legacy/);
  await t.throwsAsync(acquire('https://'), { code: 'E_BASE_UNKNOWN' });
  await t.throwsAsync(acquire('debian'), { instanceOf: TypeError });
});
