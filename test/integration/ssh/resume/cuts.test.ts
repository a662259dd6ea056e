import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { node } from '../../../support/command-line.ts';
import { Link } from '../../../support/hosts/link.ts';
import { sampleContent } from '../../../support/disks/sample-content.ts';
import { ended, spawnTied } from '../../../support/hosts/tied-process.ts';
import { Uploads, failed, mebibyte, sha256 } from './uploads.ts';

const lossBytes = (16 + 2 + 1) * mebibyte;
/** SSH, SFTP and logins: packets of 32 KiB with some 60 bytes around each. */
const overhead = 1.005;
const loginBytes = 64 * 1024;

let uploads: Uploads;
test.before(async () => {
  uploads = await Uploads.start();
});
test.after.always(async () => {
  await uploads.stop();
});

test.serial('cut at any offset: all runs together send the file once, and what each cut lost at most', async (t) => {
  await using link = await Link.to(uploads.sshd.port);
  const file = await uploads.target();
  const sizeBytes = 128 * mebibyte + 12_345;
  const cuts = [100_000, 23 * mebibyte + 17, 40_000_000, 10 * mebibyte];
  let lastDone = 0;
  for (const cutBytes of cuts) {
    await uploads.cutAfter(t, link, file, sizeBytes, cutBytes);
    const { doneBytes } = await uploads.withConnection(link, ({ files }) => files.resume(sampleContent(sizeBytes), file));
    t.true(doneBytes - lastDone >= cutBytes / overhead - loginBytes - lossBytes, `${cutBytes} crossed, ${doneBytes - lastDone} kept`);
    t.true(doneBytes >= lastDone);
    lastDone = doneBytes;
  }
  t.true(lastDone > 22 * mebibyte);
  const before = link.forwardedBytes;
  const content = sampleContent(sizeBytes);
  const progress: number[] = [];
  await uploads.withConnection(link, async ({ files }) => {
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
  await uploads.withConnection(link, async ({ files }) => {
    const upload = await files.resume(sampleContent(sizeBytes), file);
    t.is(upload.doneBytes, sizeBytes);
    await upload.send();
  });
  t.true(link.forwardedBytes - again < loginBytes, 'a file that is there whole is not sent');
});

test.serial('interrupted on a link that stands: next to nothing is sent twice', async (t) => {
  await using link = await Link.to(uploads.sshd.port);
  const file = await uploads.target();
  const sizeBytes = 32 * mebibyte;
  const controller = new AbortController();
  const interrupted = uploads.withConnection(
    link,
    async ({ files }) => {
      const upload = await files.resume(sampleContent(sizeBytes), file);
      await upload.send({ onProgress: (doneBytes) => doneBytes > 15 * mebibyte && controller.abort() });
    },
    controller.signal,
  );
  await failed(t, interrupted, 'E_INTERRUPTED');
  await uploads.withConnection(link, async ({ files }) => {
    const upload = await files.resume(sampleContent(sizeBytes), file);
    t.true(upload.doneBytes >= 14 * mebibyte, String(upload.doneBytes));
    await upload.send();
  });
  t.true(link.forwardedBytes <= (sizeBytes + 3 * mebibyte) * overhead + 2 * loginBytes, String(link.forwardedBytes));
  t.is(await sha256(file), sampleContent(sizeBytes).digest);
});

test.serial('the sending process is killed: the next one goes on', async (t) => {
  await using link = await Link.to(uploads.sshd.port);
  const file = await uploads.target();
  const sizeBytes = 96 * mebibyte;
  const { configFile } = await uploads.clientOf(link);
  const script = path.resolve(import.meta.dirname, '../../../support/ssh/upload-once.ts');
  const child = spawnTied([node, script, configFile, file, String(sizeBytes)]);
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    if (text.split('\n').some((line) => Number(line) > 30 * mebibyte)) child.kill('SIGKILL');
  });
  await ended(child);
  t.is(child.signalCode, 'SIGKILL');
  t.false((await readdir(path.dirname(file))).includes('image.tar'));
  await uploads.withConnection(link, async ({ files }) => {
    const upload = await files.resume(sampleContent(sizeBytes), file);
    t.true(upload.doneBytes >= 11 * mebibyte, String(upload.doneBytes));
    await upload.send();
  });
  t.true(link.forwardedBytes <= sizeBytes * overhead + lossBytes + 2 * loginBytes, String(link.forwardedBytes));
  t.is(await sha256(file), sampleContent(sizeBytes).digest);
});
