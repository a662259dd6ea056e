import { createHash, randomBytes } from 'node:crypto';
import { access, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createContext } from '../../src/context.ts';
import { ShipError, interrupted } from '../../src/errors.ts';
import { resumeDownload } from '../../src/host/resume-download.ts';
import { startFileServer, type FileServer, type ServedFile } from '../support/file-server.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const mebibyte = 1024 * 1024;
const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');
const context = createContext();

async function serve(t: ExecutionContext, file: Omit<ServedFile, 'content'> = {}, content = randomBytes(3 * mebibyte)) {
  const server = await startFileServer();
  t.teardown(() => server.close());
  server.files.set('/image', { ...file, content });
  const target = path.join(await temporaryDirectory('resume'), 'part');
  return { server, url: `${server.url}/image`, target, content };
}

const sent = (server: FileServer) => server.gets('/image').map(({ status, sentBytes }) => [status, sentBytes]);
/** A cut may cost what was on its way inside this process: one buffer. */
const lostBytes = 128 * 1024;
const isAbout = (t: ExecutionContext, actual: number | undefined, expected: number) =>
  t.true(actual !== undefined && actual >= expected && actual <= expected + lostBytes, `${String(actual)} bytes sent; ${expected} were missing`);
const exists = (file: string) => access(file).then(() => true, () => false);

test('after a cut, only what is missing is sent', async (t) => {
  const { server, url, target, content } = await serve(t, { cutAfter: [mebibyte, 512] });
  const retries: string[] = [];
  const result = await resumeDownload(context, url, target, { sha256: sha256(content), sizeBytes: content.length, retryDelayMs: 1, onRetry: (why) => retries.push(why) });
  t.deepEqual(result, { sha256: sha256(content), sizeBytes: content.length });
  t.true((await readFile(target)).equals(content));
  t.deepEqual(server.gets('/image').map(({ status }) => status), [200, 206, 206]);
  isAbout(t, server.gets('/image').at(-1)?.sentBytes, 2 * mebibyte - 512);
  t.is(retries.length, 2);
});

test('another process goes on where the last one ended, after five fruitless attempts', async (t) => {
  const { server, url, target, content } = await serve(t, { cutAfter: [mebibyte, 0, 0, 0, 0] });
  const error = await t.throwsAsync(resumeDownload(context, url, target, { retryDelayMs: 1 }), { instanceOf: ShipError, code: 'E_DOWNLOAD' });
  t.regex(error.message, /5 times in a row/);
  t.regex(error.remedy ?? '', /run the same command again/);
  isAbout(t, content.length - (await readFile(target)).length, 2 * mebibyte);
  const before = server.gets('/image').length;
  t.is((await resumeDownload(context, url, target)).sha256, sha256(content));
  const again = server.gets('/image').slice(before);
  t.deepEqual(again.map(({ status }) => status), [206]);
  isAbout(t, again[0]?.sentBytes, 2 * mebibyte);
});

test('a whole download that was not yet used is not sent again', async (t) => {
  const { server, url, target, content } = await serve(t);
  await resumeDownload(context, url, target);
  t.is((await resumeDownload(context, url, target)).sha256, sha256(content));
  t.deepEqual(sent(server), [[200, content.length], [416, 0]]);
});

for (const [what, file] of Object.entries({
  'that says so by its ETag': {},
  'that says so by its date alone': { etag: 'none', lastModified: 'Sat, 01 Nov 2025 00:00:00 GMT' },
  'on a server that overlooks If-Range': { overlooksIfRange: true },
} satisfies Record<string, Omit<ServedFile, 'content'>>)) {
  test(`a file that changed in between, ${what}, is fetched from its beginning`, async (t) => {
    const { server, url, target } = await serve(t, { ...file, cutAfter: [mebibyte, 0, 0, 0, 0] });
    await t.throwsAsync(resumeDownload(context, url, target, { retryDelayMs: 1 }), { code: 'E_DOWNLOAD' });
    const changed = randomBytes(2 * mebibyte);
    const before = server.gets('/image').length;
    server.files.set('/image', { ...file, content: changed, ...('lastModified' in file ? { lastModified: 'Sun, 02 Nov 2025 00:00:00 GMT' } : {}) });
    t.is((await resumeDownload(context, url, target, { retryDelayMs: 1 })).sha256, sha256(changed));
    t.true((await readFile(target)).equals(changed));
    t.deepEqual(sent(server).slice(before).at(-1), [200, changed.length]);
  });
}

test('a file that became shorter than what is there is fetched from its beginning', async (t) => {
  const { server, url, target } = await serve(t, { overlooksIfRange: true, cutAfter: [2 * mebibyte, 0, 0, 0, 0] });
  await t.throwsAsync(resumeDownload(context, url, target, { retryDelayMs: 1 }), { code: 'E_DOWNLOAD' });
  const changed = randomBytes(mebibyte);
  server.files.set('/image', { content: changed, overlooksIfRange: true });
  t.is((await resumeDownload(context, url, target, { retryDelayMs: 1 })).sha256, sha256(changed));
});

test('a server without ranges, or without ETag and date, sends everything again', async (t) => {
  for (const file of [{ ranges: false }, { etag: 'none' }]) {
    const { server, url, target, content } = await serve(t, { ...file, cutAfter: [mebibyte] });
    t.is((await resumeDownload(context, url, target, { retryDelayMs: 1 })).sha256, sha256(content));
    t.deepEqual(sent(server), [[200, mebibyte], [200, content.length]]);
  }
});

test('a damaged beginning costs a second download, not an error', async (t) => {
  const { server, url, target, content } = await serve(t, { cutAfter: [mebibyte, 0, 0, 0, 0] });
  await t.throwsAsync(resumeDownload(context, url, target, { retryDelayMs: 1 }), { code: 'E_DOWNLOAD' });
  await writeFile(target, Buffer.alloc(mebibyte)); // not what the server sent
  t.is((await resumeDownload(context, url, target, { sha256: sha256(content) })).sha256, sha256(content));
  t.deepEqual(sent(server).slice(-2), [[206, 2 * mebibyte], [200, content.length]]);
});

test('a wrong checksum shows both sums and leaves nothing', async (t) => {
  const { url, target, content } = await serve(t);
  const error = await t.throwsAsync(resumeDownload(context, url, target, { sha256: 'a'.repeat(64) }), { instanceOf: ShipError, code: 'E_CHECKSUM' });
  t.true(error.message.includes('a'.repeat(64)) && error.message.includes(sha256(content)));
  t.deepEqual([await exists(target), await exists(`${target}.json`)], [false, false]);
});

test('a wrong size is refused by the header alone, or as soon as too much comes', async (t) => {
  for (const [chunked, bytes] of [[false, 100], [true, 100]] as const) {
    const { url, target } = await serve(t, { chunked });
    const error = await t.throwsAsync(resumeDownload(context, url, target, { sizeBytes: bytes }), { instanceOf: ShipError, code: 'E_DOWNLOAD_SIZE' });
    t.regex(error.message, /100 were announced/);
    t.truthy(error.remedy);
    t.false(await exists(target));
  }
});

test('busy servers are asked again; missing files and silent ones are not', async (t) => {
  const { server, url, target, content } = await serve(t, { failWith: [503, 429] });
  t.is((await resumeDownload(context, url, target, { retryDelayMs: 1 })).sha256, sha256(content));
  t.deepEqual(sent(server).map(([status]) => status), [503, 429, 200]);
  await t.throwsAsync(resumeDownload(context, `${server.url}/absent`, `${target}2`), { code: 'E_DOWNLOAD', message: /answered 404/ });
  t.is(server.gets('/absent').length, 1);
  server.close();
  await t.throwsAsync(resumeDownload(context, url, `${target}3`, { retryDelayMs: 60_000 }), { code: 'E_DOWNLOAD' });
});

test('redirections are followed; passwords are not shown', async (t) => {
  const { server, url, target, content } = await serve(t);
  server.files.set('/moved', { content: '', redirectTo: url });
  t.is((await resumeDownload(context, `${server.url}/moved`, target)).sha256, sha256(content));
  const error = await t.throwsAsync(resumeDownload(context, `${server.url.replace('//', '//me:secret@')}/absent`, target), { code: 'E_DOWNLOAD' });
  t.notRegex(error.message, /secret/);
});

test('Ctrl-C leaves what can be gone on with', async (t) => {
  const { server, url, target, content } = await serve(t, { cutAfter: [mebibyte] });
  const controller = new AbortController();
  const pending = resumeDownload(createContext({ signal: controller.signal }), url, target, { retryDelayMs: 60_000, onRetry: () => controller.abort(interrupted()) });
  await t.throwsAsync(pending, { code: 'E_INTERRUPTED' });
  t.is((await resumeDownload(context, url, target)).sha256, sha256(content));
  t.deepEqual(server.gets('/image').map(({ status }) => status), [200, 206]);
  isAbout(t, server.gets('/image')[1]?.sentBytes, 2 * mebibyte);
});
