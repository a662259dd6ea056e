import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { open, rm, truncate } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { ShipError } from '../../../../src/errors.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { isTheImage, leftovers, mebibyte, raw, serve, user, xz, xzPath } from './bases.ts';

const execute = promisify(execFile);

test('two acquisitions at once download once', async (t) => {
  const { server, acquire, cacheDirectory } = await serve(t);
  const other = user(t, server, cacheDirectory);
  const [first, second] = await Promise.all([acquire(), other.acquire()]);
  t.is(first.file, second.file);
  t.is(server.gets(xzPath).length, 1);
  await isTheImage(t, first);
});

test('an image in use is kept when the cache is full; one that is not goes', async (t) => {
  const { server, acquire, cacheDirectory } = await serve(t);
  const first = await acquire();
  const second = randomBytes(mebibyte);
  server.files.set('/second.img.gz', { content: gzipSync(second) });
  const small = { PROSE_SHIP_OS_CACHE_GB: '0.001' };
  await (await user(t, server, cacheDirectory, small).acquire(`${server.url}/second.img.gz`)).release();
  await isTheImage(t, first);
  await first.release();
  await new Promise((resolve) => setTimeout(resolve, 5));
  server.files.set('/third.img', { content: randomBytes(1000) });
  await user(t, server, cacheDirectory, small).acquire(`${server.url}/third.img`);
  t.is((await leftovers(cacheDirectory)).filter((name) => name.endsWith('.img')).length, 1);
});

test('an entry of the cache that was damaged is made again', async (t) => {
  const { server, acquire } = await serve(t);
  const base = await acquire();
  await base.release();
  await truncate(base.file, 100);
  await isTheImage(t, await acquire());
  t.is(server.gets(xzPath).length, 2);
});

test('a full disk: said with numbers before it is written to where they are known, and nothing stays', async (t) => {
  const cacheDirectory = await temporaryDirectory('os-base');
  await execute('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', cacheDirectory]);
  t.teardown(() => execute('umount', [cacheDirectory]));
  const freeBytes = async () => {
    const { stdout } = await execute('df', ['--output=avail', '-B1', cacheDirectory]);
    return Number(stdout.split('\n')[1]);
  };
  const { server, acquire } = await serve(t, { cacheDirectory });
  const free = await freeBytes();
  const known = await t.throwsAsync(acquire(), { instanceOf: ShipError, code: 'E_DISK_FULL' });
  t.is(known.exitStatus, 3);
  t.regex(known.message, new RegExp(`${raw.length + xz.length} bytes.*are free`));
  t.regex(known.remedy ?? '', /PROSE_SHIP_CACHE/);

  const text = Buffer.alloc(16 * mebibyte, 'nothing tells how large this is');
  server.files.set('/unpacked.img', { content: text, chunked: true });
  server.files.set('/packed.img.gz', { content: gzipSync(text) });
  for (const name of ['unpacked.img', 'packed.img.gz']) {
    const error = await t.throwsAsync(acquire(`${server.url}/${name}`), { instanceOf: ShipError, code: 'E_DISK_FULL', message: /became full.*are free/ });
    t.is(error.exitStatus, 1, name);
    t.truthy(error.remedy);
  }
  t.deepEqual(await leftovers(cacheDirectory), []);
  t.true((await freeBytes()) >= free - 64 * 1024, 'all of the space is free again');

  const fits = await open(path.join(cacheDirectory, 'small.img.gz'), 'w');
  await fits.writeFile(gzipSync(randomBytes(5 * mebibyte)));
  await fits.close();
  const tooLarge = await t.throwsAsync(acquire(path.join(cacheDirectory, 'small.img.gz')), { instanceOf: ShipError, code: 'E_DISK_FULL' });
  t.truthy(tooLarge.remedy);
  await rm(path.join(cacheDirectory, 'small.img.gz'));
  server.files.set('/small.img.gz', { content: gzipSync(randomBytes(mebibyte)) });
  const small = await acquire(`${server.url}/small.img.gz`);
  await small.release(); // and what fits is made
});
