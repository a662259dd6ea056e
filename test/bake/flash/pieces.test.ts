import { randomBytes } from 'node:crypto';
import test from 'ava';
import { alignedBuffer } from '../../../src/bake/flash/aligned-buffer.ts';
import { bmapCandidates } from '../../../src/bake/flash/find-bmap.ts';
import { cutPieces, firstDifference, sumPiece, type Extent } from '../../../src/bake/flash/pieces.ts';

async function* chunked(content: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += size) yield await Promise.resolve(content.subarray(at, at + size));
}

test('pieces are the ranges, cut at chunks and at the border, whatever the stream is cut into', async (t) => {
  const content = randomBytes(1000);
  const ranges: Extent[] = [
    { startBytes: 0, sizeBytes: 10 },
    { startBytes: 50, sizeBytes: 250 },
    { startBytes: 400, sizeBytes: 1 },
    { startBytes: 900, sizeBytes: 50 },
  ];
  for (const size of [1, 7, 64, 100, 1000]) {
    const buffers = [Buffer.alloc(100), Buffer.alloc(100)] as const;
    const pieces: string[] = [];
    const written = Buffer.alloc(1000);
    let length = 0;
    let before: { data: Buffer; copy: Buffer } | undefined;
    for await (const { offset, data, range } of cutPieces(chunked(content, size), ranges, { chunkBytes: 100, borderBytes: 70, buffers, onRead: (bytes) => (length = bytes) })) {
      if (before) t.true(before.data.equals(before.copy), 'the piece before is still as it was');
      before = { data, copy: Buffer.from(data) };
      pieces.push(`${range}: ${offset}+${data.length}`);
      data.copy(written, offset);
    }
    t.deepEqual(pieces, ['0: 0+10', '1: 50+20', '1: 70+30', '1: 100+100', '1: 200+100', '2: 400+1', '3: 900+50'], `${size}`);
    for (const { startBytes, sizeBytes } of ranges) t.true(written.subarray(startBytes, startBytes + sizeBytes).equals(content.subarray(startBytes, startBytes + sizeBytes)));
    t.is(length, 1000);
  }
});

test('a range without an end takes the image to its last byte; one that the image does not reach is cut off', async (t) => {
  const cut = async (sizeBytes: number) => {
    const pieces: string[] = [];
    const options = { chunkBytes: 100, borderBytes: 0, buffers: [Buffer.alloc(100), Buffer.alloc(100)] as const, onRead: () => {} };
    for await (const { offset, data } of cutPieces(chunked(Buffer.alloc(250), 33), [{ startBytes: 0, sizeBytes }], options)) pieces.push(`${offset}+${data.length}`);
    return pieces;
  };
  t.deepEqual(await cut(Infinity), ['0+100', '100+100', '200+50']);
  t.deepEqual(await cut(300), ['0+100', '100+100', '200+50']);
});

test('the first block that differs is named by its place in the image', (t) => {
  const data = randomBytes(3 * 4096 + 5);
  const sums = sumPiece({ offset: 8192, data, range: 0 });
  t.is(firstDifference(sums, data), undefined);
  for (const [at, offset] of [
    [0, 8192],
    [4095, 8192],
    [4096, 12288],
    [3 * 4096 + 4, 8192 + 3 * 4096],
  ] as const) {
    const changed = Buffer.from(data);
    changed[at] = (changed[at] ?? 0) ^ 1;
    t.is(firstDifference(sums, changed), offset);
  }
});

test('an aligned buffer is looked for until the kernel takes one; other errors are told', async (t) => {
  const refusal = (code: string) => Object.assign(new Error(code), { code });
  let tries = 0;
  const third = await alignedBuffer(8192, () => ((tries += 1) < 3 ? Promise.reject(refusal('EINVAL')) : Promise.resolve()));
  t.is(third?.length, 8192);
  t.is(tries, 3);
  const places = new Set<number>();
  const none = await alignedBuffer(8192, (candidate) => {
    places.add(candidate.byteOffset);
    return Promise.reject(refusal('EINVAL'));
  });
  t.is(none, undefined);
  t.is(places.size, 4096 / 16);
  await t.throwsAsync(() => alignedBuffer(8192, () => Promise.reject(refusal('EIO'))), { code: 'EIO' });
});

test('where a block map is looked for', (t) => {
  t.deepEqual(bmapCandidates('/a/x.img.xz'), ['/a/x.img.xz.bmap', '/a/x.img.bmap', '/a/x.bmap']);
  t.deepEqual(bmapCandidates('/a/x.img'), ['/a/x.img.bmap', '/a/x.bmap']);
  t.deepEqual(bmapCandidates('/a/x.zip'), ['/a/x.zip.bmap', '/a/x.bmap']);
});
