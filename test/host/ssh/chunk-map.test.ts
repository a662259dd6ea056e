import test from 'ava';
import { ChunkMap, chunkBytes } from '../../../src/host/ssh/sftp/chunk-map.ts';

const size = 3 * chunkBytes + 7;

test('a new map lacks everything', (t) => {
  const map = new ChunkMap(size);
  t.true(map.isFresh);
  t.is(map.content.toString(), '0000');
  t.deepEqual(map.missing(), [{ start: 0, end: size }]);
  t.is(map.doneBytes, 0);
});

test('what is missing comes in runs', (t) => {
  const map = new ChunkMap(size, Buffer.from('0100'), size);
  t.false(map.isFresh);
  t.deepEqual(map.missing(), [{ start: 0, end: chunkBytes }, { start: 2 * chunkBytes, end: size }]);
  t.is(map.doneBytes, chunkBytes);
  t.is(new ChunkMap(size, Buffer.from('1111'), size).doneBytes, size);
});

test('a map that does not fit its file is forgotten', (t) => {
  for (const [content, partialBytes] of [['111', size], ['11110', size], ['11 1', size], ['0011', size - 1], ['0000', 0]] as const) {
    const map = new ChunkMap(size, Buffer.from(content), partialBytes);
    t.true(map.isFresh, content);
    t.is(map.doneBytes, 0);
  }
  t.is(new ChunkMap(size, Buffer.from('1100'), 2 * chunkBytes).doneBytes, 2 * chunkBytes);
});

test('a chunk is complete with its last block, whatever their order; marking says what changes', (t) => {
  const map = new ChunkMap(size);
  const half = chunkBytes / 2;
  t.is(map.acknowledge(half, half), undefined);
  t.is(map.acknowledge(chunkBytes, half), undefined);
  t.is(map.acknowledge(0, half), 0);
  t.is(map.acknowledge(3 * chunkBytes, 7), 3);
  t.is(map.acknowledge(chunkBytes + half, half), 1);
  const { position, bytes } = map.mark([3, 1]);
  t.is(position, 1);
  t.is(bytes.toString(), '101');
  t.is(map.content.toString(), '0101');
});

test('an empty file has no chunks', (t) => {
  const map = new ChunkMap(0, Buffer.alloc(0), 0);
  t.deepEqual(map.missing(), []);
  t.is(map.content.length, 0);
});
