import { createHash, randomBytes } from 'node:crypto';
import test from 'ava';
import { partialArchive } from '../../../src/oci/archive/partial-archive.ts';
import { parsePlatform } from '../../../src/oci/platform.ts';
import { archiveSource } from '../../../src/ship/archives/archive-source.ts';
import { openImages } from '../../../src/ship/plan-update.ts';
import { packedRelease } from '../../support/releases/packed-release.ts';

const signal = new AbortController().signal;

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const collected: Uint8Array[] = [];
  for await (const chunk of chunks) collected.push(Buffer.from(chunk));
  return Buffer.concat(collected);
}

for (const compression of ['zstd', 'gzip'] as const) {
  test(`${compression}: the same bytes from any offset, also of an archive that is sent in part`, async (t) => {
    const release = await packedRelease([{ 'etc/base': randomBytes(300_000) }, { 'app/data': randomBytes(400_000) }]);
    const [image] = await openImages(release, parsePlatform('linux/arm64')!);
    const { archive } = image!;
    for (const chains of [[], [archive.diffIds.slice(0, 1)]]) {
      const source = await archiveSource(archive, partialArchive(archive, chains), compression, signal);
      const whole = await collect(source.read(0));
      t.is(whole.length, source.sizeBytes);
      t.is(`sha256:${createHash('sha256').update(whole).digest('hex')}`, source.digest);
      const first = archive.head.length;
      for (const offset of [1, first - 1, first, first + 1, 70_001, whole.length - 1, whole.length]) {
        t.true((await collect(source.read(offset))).equals(whole.subarray(offset)), `${offset} of ${whole.length}`);
      }
    }
  });
}

test('an abort ends the reading', async (t) => {
  const release = await packedRelease([{ 'etc/base': randomBytes(300_000) }]);
  const [image] = await openImages(release, parsePlatform('linux/arm64')!);
  const { archive } = image!;
  const reason = new Error('stop');
  await t.throwsAsync(archiveSource(archive, partialArchive(archive, []), 'zstd', AbortSignal.abort(reason)), { is: reason });
});
