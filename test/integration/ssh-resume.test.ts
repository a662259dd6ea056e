import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import test, { type ExecutionContext } from 'ava';
import { ShipError } from '../../src/errors.ts';
import { type Connection, TokenBucket, connect, partialPaths } from '../../src/host/ssh/connection.ts';
import { node } from '../support/command-line.ts';
import { Link } from '../support/link.ts';
import { sampleContent } from '../support/sample-content.ts';
import { Sshd } from '../support/sshd.ts';
import { ended, spawnTied } from '../support/tied-process.ts';

/** Uploads that go on after a cut, against a real sshd. Needs root. */
const mebibyte = 1024 * 1024;
/** What one cut may cost: chunks that were not recorded yet, what was in flight, and one chunk that was begun. */
const lossBytes = (16 + 2 + 1) * mebibyte;
/** SSH, SFTP and logins: packets of 32 KiB with some 60 bytes around each. */
const overhead = 1.005;
const loginBytes = 64 * 1024;

let sshd: Sshd;
let folders = 0;
test.before(async () => {
  sshd = await Sshd.start();
});
test.after.always(async () => {
  await sshd.stop();
});

async function target(): Promise<string> {
  const directory = path.join(sshd.directory, `target-${folders++}`);
  await mkdir(directory);
  return path.join(directory, 'image.tar');
}

async function clientOf(link?: Link) {
  return sshd.client(link ? { config: [`Port ${link.port}`, `HostKeyAlias [127.0.0.1]:${sshd.port}`] } : {});
}

async function withConnection<T>(link: Link | undefined, work: (connection: Connection) => Promise<T>, signal?: AbortSignal): Promise<T> {
  const { context, host } = await clientOf(link);
  const connection = await connect({ ...context, ...(signal ? { signal } : {}) }, host);
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return `sha256:${hash.digest('hex')}`;
}

async function failed(t: ExecutionContext, promise: Promise<unknown>, code: ShipError['code']): Promise<ShipError> {
  const error = await t.throwsAsync(promise, { instanceOf: ShipError });
  t.is(error.code, code);
  return error;
}

/** Sends until so many bytes of this file have crossed the link in this run, then cuts it. */
async function cutAfter(t: ExecutionContext, link: Link, file: string, sizeBytes: number, cutBytes: number): Promise<void> {
  const before = link.forwardedBytes;
  const cut = withConnection(link, async ({ files }) => {
    const upload = await files.resume(sampleContent(sizeBytes), file);
    await upload.send({ onProgress: () => link.forwardedBytes - before >= cutBytes && link.cut() });
  });
  await failed(t, cut, 'E_CONNECTION_LOST');
}

test.serial('cut at any offset: all runs together send the file once, and what each cut lost at most', async (t) => {
  await using link = await Link.to(sshd.port);
  const file = await target();
  const sizeBytes = 128 * mebibyte + 12_345;
  const cuts = [100_000, 23 * mebibyte + 17, 40_000_000, 10 * mebibyte];
  let lastDone = 0;
  for (const cutBytes of cuts) {
    await cutAfter(t, link, file, sizeBytes, cutBytes);
    const { doneBytes } = await withConnection(link, ({ files }) => files.resume(sampleContent(sizeBytes), file));
    t.true(doneBytes - lastDone >= cutBytes / overhead - loginBytes - lossBytes, `${cutBytes} crossed, ${doneBytes - lastDone} kept`);
    t.true(doneBytes >= lastDone);
    lastDone = doneBytes;
  }
  t.true(lastDone > 22 * mebibyte);
  const before = link.forwardedBytes;
  const content = sampleContent(sizeBytes);
  const progress: number[] = [];
  await withConnection(link, async ({ files }) => {
    const upload = await files.resume(content, file);
    t.is(upload.doneBytes, lastDone);
    await upload.send({ mode: 0o640, onProgress: (doneBytes) => progress.push(doneBytes) });
  });
  t.deepEqual(content.offsets, [lastDone], 'the source is read from where it goes on');
  t.true(progress[0]! > lastDone && progress.at(-1) === sizeBytes);
  t.true(link.forwardedBytes - before <= (sizeBytes - lastDone) * overhead + loginBytes);
  const totalBytes = link.forwardedBytes;
  t.log(`${totalBytes} bytes crossed for ${sizeBytes} with ${cuts.length} cuts: ${(totalBytes / sizeBytes).toFixed(3)}`);
  t.true(totalBytes <= sizeBytes * overhead + cuts.length * (lossBytes + 2 * loginBytes) + loginBytes);
  t.is(await sha256(file), content.digest);
  t.is((await stat(file)).mode & 0o777, 0o640);
  t.deepEqual(await readdir(path.dirname(file)), ['image.tar']);

  const again = link.forwardedBytes;
  await withConnection(link, async ({ files }) => {
    const upload = await files.resume(sampleContent(sizeBytes), file);
    t.is(upload.doneBytes, sizeBytes);
    await upload.send();
  });
  t.true(link.forwardedBytes - again < loginBytes, 'a file that is there whole is not sent');
});

test.serial('interrupted on a link that stands: next to nothing is sent twice', async (t) => {
  await using link = await Link.to(sshd.port);
  const file = await target();
  const sizeBytes = 32 * mebibyte;
  const controller = new AbortController();
  const interrupted = withConnection(
    link,
    async ({ files }) => {
      const upload = await files.resume(sampleContent(sizeBytes), file);
      await upload.send({ onProgress: (doneBytes) => doneBytes > 15 * mebibyte && controller.abort() });
    },
    controller.signal,
  );
  await failed(t, interrupted, 'E_INTERRUPTED');
  await withConnection(link, async ({ files }) => {
    const upload = await files.resume(sampleContent(sizeBytes), file);
    t.true(upload.doneBytes >= 14 * mebibyte, String(upload.doneBytes));
    await upload.send();
  });
  t.true(link.forwardedBytes <= (sizeBytes + 3 * mebibyte) * overhead + 2 * loginBytes, String(link.forwardedBytes));
  t.is(await sha256(file), sampleContent(sizeBytes).digest);
});

test.serial('the sending process is killed: the next one goes on', async (t) => {
  await using link = await Link.to(sshd.port);
  const file = await target();
  const sizeBytes = 64 * mebibyte;
  const { configFile } = await clientOf(link);
  const script = path.resolve(import.meta.dirname, '../support/upload-once.ts');
  const child = spawnTied([node, script, configFile, file, String(sizeBytes)]);
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    if (text.split('\n').some((line) => Number(line) > 30 * mebibyte)) child.kill('SIGKILL');
  });
  await ended(child);
  t.is(child.signalCode, 'SIGKILL');
  t.false((await readdir(path.dirname(file))).includes('image.tar'));
  await withConnection(link, async ({ files }) => {
    const upload = await files.resume(sampleContent(sizeBytes), file);
    t.true(upload.doneBytes >= 11 * mebibyte, String(upload.doneBytes));
    await upload.send();
  });
  t.true(link.forwardedBytes <= sizeBytes * overhead + lossBytes + 2 * loginBytes, String(link.forwardedBytes));
  t.is(await sha256(file), sampleContent(sizeBytes).digest);
});

test.serial('a partial file that the host has damaged is found, removed, and the next run sends it whole', async (t) => {
  await using link = await Link.to(sshd.port);
  const file = await target();
  const sizeBytes = 32 * mebibyte;
  await cutAfter(t, link, file, sizeBytes, 26 * mebibyte);
  const { partial } = partialPaths(file, sampleContent(sizeBytes));
  const handle = await open(partial, 'r+');
  await handle.write(Buffer.from('rot'), 0, 3, 4 * mebibyte);
  await handle.close();
  const send = () =>
    withConnection(link, async ({ files }) => {
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
    const file = await target();
    const names = partialPaths(file, content);
    await writeFile(names.partial, bytes);
    await truncate(names.partial, partialBytes);
    if (map !== undefined) await writeFile(names.map, map);
    const doneBytes = await withConnection(undefined, async ({ files }) => {
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
  await using link = await Link.to(sshd.port);
  const file = await target();
  const sizeBytes = 32 * mebibyte;
  await cutAfter(t, link, file, sizeBytes, 26 * mebibyte);
  const other = sampleContent(sizeBytes, 'b');
  await withConnection(link, async ({ files }) => {
    const upload = await files.resume(other, file);
    t.is(upload.doneBytes, 0);
    await upload.send();
  });
  t.is(await sha256(file), other.digest);
  await withConnection(link, async ({ files }) => {
    const upload = await files.resume(sampleContent(sizeBytes), file);
    t.true(upload.doneBytes > 0 && upload.doneBytes < sizeBytes, 'what was begun of the first is still its own');
    await upload.send();
  });
  t.is(await sha256(file), sampleContent(sizeBytes).digest);
});

test.serial('only chunks that were flushed are in the map, and a resumed upload reads no further ahead than the window', async (t) => {
  await using link = await Link.to(sshd.port);
  const file = await target();
  const sizeBytes = 64 * mebibyte;
  await cutAfter(t, link, file, sizeBytes, 26 * mebibyte);
  const { partial, map } = partialPaths(file, sampleContent(sizeBytes));
  const marks = await readFile(map, 'utf8');
  t.regex(marks, /^1{7,26}0+$/);
  const content = sampleContent(sizeBytes);
  for (let chunk = 0; chunk < marks.lastIndexOf('1'); chunk++) t.is(await sha256Range(partial, chunk), await sha256Chunk(content, chunk));
  const counted = sampleContent(sizeBytes);
  let furthestBytes = 0;
  await withConnection(link, async ({ files }) => {
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

test.serial('a full disk: nothing stays that what runs there would miss', async (t) => {
  const directory = path.dirname(await target());
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', directory]);
  try {
    await using inside = await Sshd.start(); // its mount namespace knows the mount
    const { context, host } = await inside.client();
    const connection = await connect(context, host);
    const upload = await connection.files.resume(sampleContent(24 * mebibyte), path.join(directory, 'image.tar'));
    await failed(t, upload.send(), 'E_HOST_DISK_FULL');
    t.deepEqual(await readdir(directory), []);
    await connection.close();
  } finally {
    execFileSync('umount', [directory]);
  }
});

test.serial('a source of another length than it said is refused, and the old file stays', async (t) => {
  const file = await target();
  await writeFile(file, 'old');
  const content = sampleContent(2 * mebibyte);
  await withConnection(undefined, async ({ files }) => {
    for (const sizeBytes of [2 * mebibyte - 1, 2 * mebibyte + 1]) {
      const upload = await files.resume({ ...content, sizeBytes }, file);
      await failed(t, upload.send(), 'E_UPLOAD_SIZE');
    }
  });
  t.is(await readFile(file, 'utf8'), 'old');
});

test.serial('a limited rate holds, for all uploads together', async (t) => {
  await using link = await Link.to(sshd.port);
  const bytesPerSecond = 4 * mebibyte;
  const pace = new TokenBucket(bytesPerSecond);
  await withConnection(link, async ({ files }) => {
    const uploads = await Promise.all(['a', 'b'].map(async (seed) => files.resume(sampleContent(4 * mebibyte, seed), await target())));
    const startedAt = performance.now();
    await Promise.all(uploads.map((upload) => upload.send({ pace })));
    const seconds = (performance.now() - startedAt) / 1000;
    t.true(seconds >= 1.85, `8 MiB in ${seconds} s`); // a tenth of a second may be sent at once
    t.true(seconds <= 8, `8 MiB in ${seconds} s`);
  });
});
