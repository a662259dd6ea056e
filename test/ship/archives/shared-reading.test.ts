import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { partialArchive } from '../../../src/oci/archive/partial-archive.ts';
import { parsePlatform } from '../../../src/oci/platform.ts';
import { SharedArchives } from '../../../src/ship/archives/shared-archives.ts';
import { SharedReading } from '../../../src/ship/archives/shared-reading.ts';
import { openImages } from '../../../src/ship/plan-update.ts';
import { packedRelease } from '../../support/releases/packed-release.ts';

const chunkBytes = 1000;
const content = randomBytes(100 * chunkBytes);

/** Content in chunks, and what of it was read how often. */
class Source {
  readBytes = 0;
  open = 0;
  failAt = Infinity;

  async *read(offset: number): AsyncGenerator<Uint8Array> {
    this.open += 1;
    try {
      for (let at = offset; at < content.length; at += chunkBytes) {
        await turn();
        if (at >= this.failAt) throw new Error('no bytes');
        const bytes = content.subarray(at, Math.min(at + chunkBytes, content.length));
        this.readBytes += bytes.length;
        yield bytes;
      }
    } finally {
      this.open -= 1;
    }
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>, afterEach: (bytes: number) => Promise<unknown> = () => Promise.resolve()): Promise<Buffer> {
  const collected: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    collected.push(Buffer.from(chunk));
    await afterEach((bytes += chunk.length));
  }
  return Buffer.concat(collected);
}

test('those that keep up with each other read once, whatever the pace of each', async (t) => {
  const source = new Source();
  const reading = new SharedReading(source, 10 * chunkBytes);
  let most = 0;
  const paces = [0, 1, 2].map((turns) => async () => {
    most = Math.max(most, reading.keptBytes);
    for (let at = 0; at < turns; at += 1) await turn();
  });
  // No one gets away further than the window: each waits for the slowest from time to time.
  const done = [0, 0, 0];
  const all = await Promise.all(
    paces.map((pace, at) =>
      collect(reading.read(0), async (bytes) => {
        done[at] = bytes;
        await pace();
        while (bytes - Math.min(...done) > 5 * chunkBytes) await turn();
      }),
    ),
  );
  for (const one of all) t.true(one.equals(content));
  t.is(source.readBytes, content.length);
  t.is(most, 10 * chunkBytes, 'and no more of it is kept');
  t.deepEqual([reading.keptBytes, source.open], [0, 0]);
});

test('one that falls behind holds nobody up, and gets the same bytes by itself', async (t) => {
  const source = new Source();
  const reading = new SharedReading(source, 10 * chunkBytes);
  let go = () => {};
  const gate = new Promise<void>((resolve) => (go = resolve));
  const slow = collect(reading.read(0), () => gate);
  t.true((await collect(reading.read(0))).equals(content));
  t.is(source.readBytes, content.length);
  go();
  t.true((await slow).equals(content));
  t.is(source.readBytes, 2 * content.length - chunkBytes);
  t.deepEqual([reading.keptBytes, source.open], [0, 0]);
});

test('one that goes on with an upload begins where it must, also beside others', async (t) => {
  for (const offsets of [[0, 1], [0, 5 * chunkBytes + 7], [50_000, 0], [content.length - 1, 0], [content.length, 3]]) {
    const reading = new SharedReading(new Source(), 10 * chunkBytes);
    const all = await Promise.all(offsets.map((offset) => collect(reading.read(offset))));
    for (const [at, one] of all.entries()) t.true(one.equals(content.subarray(offsets[at])), String(offsets));
  }
});

test('a read that fails is told to all that wait for it, and the next one begins anew', async (t) => {
  const source = new Source();
  source.failAt = 20 * chunkBytes;
  const reading = new SharedReading(source, 10 * chunkBytes);
  const both = await Promise.allSettled([collect(reading.read(0)), collect(reading.read(0))]);
  t.deepEqual(both.map((one) => (one.status === 'rejected' ? String(one.reason) : one.status)), ['Error: no bytes', 'Error: no bytes']);
  source.failAt = Infinity;
  t.true((await collect(reading.read(0))).equals(content));
  t.deepEqual([reading.keptBytes, source.open], [0, 0]);
});

test('one that leaves keeps the others reading, and the last one closes the file', async (t) => {
  const source = new Source();
  const reading = new SharedReading(source, 10 * chunkBytes);
  const leave = async () => {
    for await (const bytes of reading.read(0)) if (bytes.length > 0) return;
  };
  const [stayed] = await Promise.all([collect(reading.read(0)), leave()]);
  t.true(stayed.equals(content));
  t.is(source.readBytes, content.length);
  await leave();
  await turn();
  t.deepEqual([reading.keptBytes, source.open], [0, 0]);
  t.true((await collect(reading.read(3))).equals(content.subarray(3)));
});

test('the same part of an archive is hashed once for all hosts, another part is another source', async (t) => {
  const release = await packedRelease([{ 'etc/base': randomBytes(300_000) }, { 'app/data': randomBytes(400_000) }]);
  const platform = parsePlatform('linux/arm64')!;
  const { signal } = new AbortController();
  const archives = new SharedArchives();
  // Each host opens it for itself.
  const [one, other] = [(await openImages(release, platform))[0]!.archive, (await openImages(release, platform))[0]!.archive];
  const whole = partialArchive(one, []);
  const first = archives.source(one, whole, 'zstd', signal);
  t.is(archives.source(other, partialArchive(other, []), 'zstd', signal), first);
  const rest = await archives.source(other, partialArchive(other, [one.diffIds.slice(0, 1)]), 'zstd', signal);
  const gzip = await archives.source(other, whole, 'gzip', signal);
  t.is(new Set([(await first).digest, rest.digest, gzip.digest]).size, 3);
  t.true((await collect((await first).read(0))).length > rest.sizeBytes);

  const stopped = new AbortController();
  const fresh = new SharedArchives();
  stopped.abort(new Error('stop'));
  await t.throwsAsync(fresh.source(one, whole, 'zstd', stopped.signal), { message: 'stop' });
  t.is((await fresh.source(one, whole, 'zstd', signal)).digest, (await first).digest);
});
