import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { acquireBase, type AcquiredBase } from '../../src/bake/base/acquire-base.ts';
import { ShipError, interrupted } from '../../src/errors.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { startFileServer, type FileServer } from '../support/file-server.ts';
import { officialEntry, type OsListEntry } from '../support/os-list.ts';
import { recordingContext } from '../support/recording-context.ts';
import { createSigner, keyring } from '../support/signer.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const execute = promisify(execFile);
const mebibyte = 1024 * 1024;
const platform = parsePlatform('linux/arm64')!;
const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');
const folder = '/raspios_lite_arm64/images/raspios_lite_arm64-2026-01-02';
const xzPath = `${folder}/2026-01-01-raspios-trixie-arm64-lite.img.xz`;

/** 12 MiB, of which 3 MiB are data, like a card that is mostly empty. */
const raw = Buffer.alloc(12 * mebibyte);
randomBytes(2 * mebibyte).copy(raw, mebibyte);
randomBytes(mebibyte).copy(raw, 7 * mebibyte);

let xz: Buffer;
test.before(async () => {
  const file = path.join(await temporaryDirectory('os-base'), 'image.img');
  await writeFile(file, raw);
  await execute('xz', ['-1', '--block-size=4MiB', file]);
  xz = await readFile(`${file}.xz`);
});

/** A server with Imager's list, which refers to a second one that has the image, and a cache of its own. */
async function serve(t: ExecutionContext, options: { entry?: Partial<OsListEntry>; content?: Buffer; cacheDirectory?: string; environment?: Record<string, string> } = {}) {
  const server = await startFileServer();
  t.teardown(() => server.close());
  const content = options.content ?? xz;
  server.files.set(xzPath, { content });
  const list = (entry: Partial<OsListEntry> = {}): void => {
    const image = officialEntry({
      url: `${server.url}${xzPath}`,
      extract_size: raw.length,
      extract_sha256: sha256(raw),
      image_download_size: content.length,
      image_download_sha256: sha256(content),
      ...entry,
    });
    server.files.set('/os_list.json', { content: JSON.stringify({ imager: {}, os_list: [{ name: 'Raspberry Pi OS (other)', subitems: [{ name: 'Lite', subitems_url: `${server.url}/sub.json` }] }] }) });
    server.files.set('/sub.json', { content: JSON.stringify({ os_list: [{ name: 'Lite', subitems: [image] }] }) });
  };
  list(options.entry);
  return { server, list, ...user(t, server, options.cacheDirectory ?? (await temporaryDirectory('os-base')), options.environment) };
}

/** Someone with a cache; what they acquire is released at the end at the latest. */
function user(t: ExecutionContext, server: FileServer, cacheDirectory: string, environment: Record<string, string> = {}, signal?: AbortSignal) {
  const { context } = recordingContext({
    cacheDirectory,
    environment: { PATH: process.env['PATH'], GNUPGHOME: path.join(cacheDirectory, 'no-keys'), PROSE_SHIP_OS_LIST: `${server.url}/os_list.json`, ...environment },
    ...(signal ? { signal } : {}),
  });
  const messages: string[] = [];
  const report = { progress: () => {}, log: (message: string, level = 'info') => void messages.push(`${level}: ${message}`) };
  const acquire = async (base = 'raspios-lite', signer?: string) => {
    const acquired = await acquireBase(context, { base, platform, report, ...(signer ? { signer } : {}) });
    t.teardown(() => acquired.release());
    return acquired;
  };
  return { acquire, messages, cacheDirectory };
}

/** Every file of the cache but locks: what a failure must not leave. */
async function leftovers(cacheDirectory: string): Promise<string[]> {
  const names = await readdir(path.join(cacheDirectory, 'os-images'), { recursive: true, withFileTypes: true });
  return names.filter((name) => name.isFile() && !name.name.endsWith('.lock')).map(({ name }) => name).toSorted();
}

async function isTheImage(t: ExecutionContext, base: AcquiredBase): Promise<void> {
  t.is(base.sha256, sha256(raw));
  t.true((await readFile(base.file)).equals(raw));
}

test('an official image is found, downloaded, checked, unpacked sparsely and kept', async (t) => {
  const { server, acquire, cacheDirectory } = await serve(t);
  const base = await acquire();
  await isTheImage(t, base);
  t.like(base, { name: '2026-01-01-raspios-trixie-arm64-lite', releaseDate: '2026-01-01', initFormat: 'cloudinit-rpi' });
  t.true((await stat(base.file)).blocks * 512 < 4 * mebibyte, 'zeros take no room');
  t.is((await leftovers(cacheDirectory)).length, 3, 'the image, its record, and what the list said');
  await base.release();
  const again = await acquire();
  t.is(again.file, base.file);
  t.is(server.gets(xzPath).length, 1);
  server.close();
  const offline = user(t, server, cacheDirectory);
  const last = await offline.acquire();
  await isTheImage(t, last);
  t.regex(offline.messages.join('\n'), /warning: .*cannot be reached.*2026-01-01/);
  for (const used of [again, last]) await used.release();
});

test('a download that was cut, or interrupted, goes on in the next run', async (t) => {
  const { server, acquire, cacheDirectory } = await serve(t);
  server.files.get(xzPath)!.cutAfter = [2 * mebibyte];
  const controller = new AbortController();
  const interruptedUser = user(t, server, cacheDirectory, {}, controller.signal);
  interruptedUser.messages.push = (message: string) => {
    if (/Downloading again/.test(message)) controller.abort(interrupted());
    return 0;
  };
  await t.throwsAsync(interruptedUser.acquire(), { code: 'E_INTERRUPTED' });
  t.deepEqual(await leftovers(cacheDirectory), ['download', 'download.json']);
  await isTheImage(t, await acquire());
  const [first, second] = server.gets(xzPath);
  t.deepEqual([first?.status, first?.sentBytes, second?.status], [200, 2 * mebibyte, 206]);
  const missing = xz.length - 2 * mebibyte;
  t.true(second!.sentBytes >= missing && second!.sentBytes < missing + 128 * 1024);
});

test('an image that was replaced while it was downloaded is fetched anew', async (t) => {
  const { server, list, acquire, cacheDirectory } = await serve(t, { entry: { extract_sha256: 'a'.repeat(64), image_download_sha256: 'a'.repeat(64) } });
  server.files.get(xzPath)!.cutAfter = [mebibyte, 0, 0, 0, 0];
  server.files.get(xzPath)!.etag = '"older"';
  await t.throwsAsync(acquire(), { code: 'E_DOWNLOAD' });
  t.deepEqual(await leftovers(cacheDirectory), ['download', 'download.json']);
  const before = server.gets(xzPath).length;
  server.files.set(xzPath, { content: xz, etag: '"newer"' });
  list();
  await isTheImage(t, await acquire());
  t.deepEqual(server.gets(xzPath).slice(before).map(({ status, sentBytes }) => [status, sentBytes]), [[200, xz.length]]);
});

test('what does not fit its announcement is refused, and nothing of it stays', async (t) => {
  const cases: [entry: Partial<OsListEntry>, content: Buffer, code: string, message: RegExp][] = [
    [{ image_download_size: 7 }, xz, 'E_DOWNLOAD_SIZE', /7 were announced/],
    [{ image_download_sha256: 'c'.repeat(64) }, xz, 'E_CHECKSUM', new RegExp(`${sha256(xz)}, not c{64}`)],
    [{ extract_sha256: 'd'.repeat(64) }, xz, 'E_CHECKSUM', new RegExp(`unpacked.*${sha256(raw)}, not d{64}`)],
    [{ extract_size: raw.length + 1 }, xz, 'E_IMAGE_SIZE', new RegExp(`${raw.length + 1} were announced`)],
    [{}, xz.subarray(0, xz.length - 100), 'E_IMAGE_CORRUPT', /2026-01-01-raspios-trixie/],
    [{}, Buffer.concat([xz.subarray(0, mebibyte), Buffer.alloc(1000), xz.subarray(mebibyte + 1000)]), 'E_IMAGE_CORRUPT', /2026-01-01-raspios-trixie/],
  ];
  for (const [entry, content, code, message] of cases) {
    const { acquire, cacheDirectory } = await serve(t, { entry, content });
    const error = await t.throwsAsync(acquire(), { instanceOf: ShipError, code, message });
    t.truthy(error.remedy, code);
    t.deepEqual(await leftovers(cacheDirectory), [], code);
  }
});

test('where the list has no sum of the download, the one beside it counts', async (t) => {
  const { image_download_sha256: removed, ...entry } = officialEntry({});
  t.truthy(removed);
  const without = async () => {
    const served = await serve(t);
    const image = { ...entry, url: `${served.server.url}${xzPath}`, extract_size: raw.length, extract_sha256: sha256(raw), image_download_size: xz.length };
    served.server.files.set('/sub.json', { content: JSON.stringify({ os_list: [image] }) });
    return served;
  };
  const wrong = await without();
  wrong.server.files.set(`${xzPath}.sha256`, { content: `${'e'.repeat(64)}  ${path.basename(xzPath)}\n` });
  await t.throwsAsync(wrong.acquire(), { code: 'E_CHECKSUM', message: /e{64}/ });
  const { acquire } = await without();
  await isTheImage(t, await acquire());
});

test('the signature beside an official image is checked, where the key is there', async (t) => {
  const signer = await createSigner();
  t.teardown(() => signer.close());
  const keys = await keyring(await signer.exportKey());
  t.teardown(() => keys.close());
  const directory = await temporaryDirectory('os-base');
  await writeFile(path.join(directory, 'image'), xz);
  await writeFile(path.join(directory, 'other'), 'other');

  const good = await serve(t, { environment: { GNUPGHOME: keys.home } });
  good.server.files.set(`${xzPath}.sig`, { content: await signer.sign(path.join(directory, 'image')) });
  await isTheImage(t, await good.acquire('raspios-lite', signer.fingerprint));
  t.regex(good.messages.join('\n'), /signature .* is good/);

  const bad = await serve(t, { environment: { GNUPGHOME: keys.home } });
  bad.server.files.set(`${xzPath}.sig`, { content: await signer.sign(path.join(directory, 'other')) });
  await t.throwsAsync(bad.acquire('raspios-lite', signer.fingerprint), { code: 'E_SIGNATURE' });
  t.deepEqual(await leftovers(bad.cacheDirectory), []);
  bad.server.files.set(`${xzPath}.sig`, { content: await signer.sign(path.join(directory, 'image')) });
  await t.throwsAsync(bad.acquire(), { code: 'E_SIGNATURE', message: /F4AADD86/ }, 'by default only Raspberry Pi signs');

  const none = await serve(t);
  await mkdir(path.join(none.cacheDirectory, 'no-keys'), { mode: 0o700 });
  none.server.files.set(`${xzPath}.sig`, { content: await signer.sign(path.join(directory, 'image')) });
  await isTheImage(t, await none.acquire());
  t.regex(none.messages.join('\n'), /warning: .*gpg --recv-keys F4AADD86/);
});

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
