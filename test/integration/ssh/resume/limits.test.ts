import { execFileSync } from 'node:child_process';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { TokenBucket, connect } from '../../../../src/host/ssh/connection.ts';
import { Link } from '../../../support/hosts/link.ts';
import { sampleContent } from '../../../support/disks/sample-content.ts';
import { Sshd } from '../../../support/ssh/sshd.ts';
import { Uploads, failed, mebibyte } from './uploads.ts';

let uploads: Uploads;
test.before(async () => {
  uploads = await Uploads.start();
});
test.after.always(async () => {
  await uploads.stop();
});

test.serial('a full disk: nothing stays that what runs there would miss', async (t) => {
  const directory = path.dirname(await uploads.target());
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
  const file = await uploads.target();
  await writeFile(file, 'old');
  const content = sampleContent(2 * mebibyte);
  await uploads.withConnection(undefined, async ({ files }) => {
    for (const sizeBytes of [2 * mebibyte - 1, 2 * mebibyte + 1]) {
      const upload = await files.resume({ ...content, sizeBytes }, file);
      await failed(t, upload.send(), 'E_UPLOAD_SIZE');
    }
  });
  t.is(await readFile(file, 'utf8'), 'old');
});

test.serial('a limited rate holds, for all uploads together', async (t) => {
  await using link = await Link.to(uploads.sshd.port);
  const bytesPerSecond = 4 * mebibyte;
  const pace = new TokenBucket(bytesPerSecond);
  await uploads.withConnection(link, async ({ files }) => {
    const both = await Promise.all(['a', 'b'].map(async (seed) => files.resume(sampleContent(4 * mebibyte, seed), await uploads.target())));
    const startedAt = performance.now();
    await Promise.all(both.map((upload) => upload.send({ pace })));
    const seconds = (performance.now() - startedAt) / 1000;
    t.true(seconds >= 1.85, `8 MiB in ${seconds} s`); // a tenth of a second may be sent at once
    t.true(seconds <= 8, `8 MiB in ${seconds} s`);
  });
});
