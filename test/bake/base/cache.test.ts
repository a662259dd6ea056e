import { access, chmod, mkdir, readdir, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openImageCache, type ImageCache } from '../../../src/bake/base/cache/image-cache.ts';
import { ShipError } from '../../../src/errors.ts';
import { recordingContext } from '../../support/recording-context.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const mebibyte = 1024 * 1024;
const [a, b, c] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string];

async function open(gigabytes = '1') {
  const cacheDirectory = await temporaryDirectory('os-cache');
  const recording = recordingContext({ cacheDirectory, environment: { PROSE_SHIP_OS_CACHE_GB: gigabytes } });
  return { ...recording, open: () => openImageCache(recording.context), images: path.join(cacheDirectory, 'os-images/images') };
}

/** An image of so many bytes that are really there, last used some minutes ago. */
async function put(cache: ImageCache, sha256: string, sizeBytes: number, minutesAgo: number): Promise<void> {
  const image = await cache.making(sha256, () => false, async (directory) => {
    const file = path.join(directory, 'image.img');
    await writeFile(file, Buffer.alloc(sizeBytes, 1));
    return cache.add(file, sha256);
  });
  await image.lease.release();
  const then = new Date(Date.now() - minutesAgo * 60_000);
  await utimes(path.join(cache.directory, 'images', `${sha256}.json`), then, then);
}

const exists = (file: string) => access(file).then(() => true, () => false);
const kept = async (images: string) => (await readdir(images)).filter((name) => name.endsWith('.img')).map((name) => name[0]).toSorted().join('');

test('what was used least recently goes first, and only as much as must', async (t) => {
  const { open: reopen, images } = await open('0.004');
  const cache = await reopen();
  await put(cache, a, mebibyte, 10);
  await put(cache, b, mebibyte, 30);
  await put(cache, c, mebibyte, 20);
  await (await cache.use(b))?.lease.release();
  await (await reopen()).makeRoom({ bytes: 1.5 * mebibyte, what: 'It' });
  t.is(await kept(images), 'ab');
});

test('what is in use stays, and so does what was used since this run began', async (t) => {
  const { open: reopen, images, events } = await open('0.001');
  const cache = await reopen();
  await put(cache, a, mebibyte / 2, 30);
  const used = await cache.use(a);
  await utimes(path.join(images, `${a}.json`), new Date(0), new Date(0));
  await cache.makeRoom({ bytes: mebibyte, what: 'It' });
  t.is(await kept(images), 'a', 'in use');
  t.true(events.some((event) => event.type === 'log' && event.level === 'warning' && /PROSE_SHIP_OS_CACHE_GB/.test(event.message)));
  await used?.lease.release();
  await (await cache.use(a))?.lease.release();
  await cache.makeRoom({ bytes: mebibyte, what: 'It' });
  t.is(await kept(images), 'a', 'used by another run a moment ago');
  await new Promise((resolve) => setTimeout(resolve, 5));
  await (await reopen()).makeRoom({ bytes: mebibyte, what: 'It' });
  t.is(await kept(images), '');
});

test('an image that is not as it was written does not count', async (t) => {
  const damages: [string, (file: string) => Promise<void>][] = [
    ['shortened', (file) => truncate(file, 10)],
    ['written to', (file) => writeFile(file, Buffer.alloc(1000, 2))],
    ['without a record', (file) => writeFile(file.replace(/img$/, 'json'), '{')],
  ];
  for (const [what, damage] of damages) {
    const { open: reopen, images } = await open();
    const cache = await reopen();
    await put(cache, a, 1000, 1);
    const file = path.join(images, `${a}.img`);
    t.is((await stat(file)).mode & 0o777, 0o444);
    await chmod(file, 0o644);
    await damage(file);
    t.is(await cache.use(a), undefined, what);
    t.false(await exists(file), what);
  }
});

test('what a killed process left never counts and goes', async (t) => {
  const { open: reopen, images } = await open();
  const cache = await reopen();
  const making = path.join(cache.directory, 'making');
  await writeFile(path.join(images, `${a}.img`), 'half');
  await writeFile(path.join(images, `.${b}.img.123.tmp`), 'half');
  for (const [name, file] of [['unpacking', '.image.img.123.tmp'], ['fresh', 'download'], ['old', 'download']] as const) {
    await mkdir(path.join(making, name));
    await writeFile(path.join(making, name, file), 'half');
  }
  const longAgo = new Date(Date.now() - 8 * 24 * 60 * 60 * 1000);
  for (const file of ['old/download', 'old']) await utimes(path.join(making, file), longAgo, longAgo);
  t.is(await cache.use(a), undefined);
  await cache.makeRoom({ bytes: 0, what: 'It' });
  t.deepEqual((await readdir(making)).filter((name) => !name.endsWith('.lock')), ['fresh'], 'a download is gone on with within a week');
  t.deepEqual((await readdir(images)).filter((name) => !name.endsWith('.lock')), []);
  await cache.making('fresh', () => true, async (directory) => t.deepEqual(await readdir(directory), ['download']));
  t.false(await exists(path.join(making, 'fresh')));
});

test('the same image is made by one at a time', async (t) => {
  const { open: reopen } = await open();
  let [running, most] = [0, 0];
  const make = async (): Promise<void> =>
    (await reopen()).making('key', () => false, async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 30));
      running -= 1;
    });
  await Promise.all([make(), make(), make()]);
  t.is(most, 1);
});

test('a bound that is no number is refused', async (t: ExecutionContext) => {
  for (const value of ['0', 'much', '-3']) {
    const { open: reopen } = await open(value);
    const error = await t.throwsAsync(reopen(), { instanceOf: ShipError, code: 'E_OS_CACHE_SIZE' });
    t.is(error.exitStatus, 2);
    t.regex(error.remedy ?? '', /above 0/);
  }
});
