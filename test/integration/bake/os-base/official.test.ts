import { mkdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { ShipError, interrupted } from '../../../../src/errors.ts';
import { officialEntry, type OsListEntry } from '../../../support/os-list.ts';
import { createSigner, keyring } from '../../../support/signer.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { isTheImage, leftovers, mebibyte, raw, serve, sha256, user, xz, xzPath } from './bases.ts';

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
