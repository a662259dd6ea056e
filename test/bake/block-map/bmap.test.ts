import { createHash } from 'node:crypto';
import { open, readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { formatBmap, parseBmap } from '../../../src/bake/block-map/bmap.ts';
import type { BlockMap } from '../../../src/bake/block-map/block-map.ts';
import { ExitStatus, ShipError } from '../../../src/errors.ts';
import { tool } from '../../support/cards/sample-os-image.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const blockSizeBytes = 4096;
/** Two runs and an image that ends inside a block. */
const imageSizeBytes = 20 * 1024 * 1024 + 100;
const places = [
  { startBytes: 0, sizeBytes: 2 * blockSizeBytes },
  { startBytes: 1220 * blockSizeBytes, sizeBytes: blockSizeBytes },
  { startBytes: 20 * 1024 * 1024, sizeBytes: 100 },
];

async function sparseImage(): Promise<{ file: string; map: BlockMap }> {
  const file = path.join(await temporaryDirectory('bmap'), 'disk.img');
  await writeFile(file, '');
  await truncate(file, imageSizeBytes);
  const handle = await open(file, 'r+');
  const ranges = [];
  for (const [index, { startBytes, sizeBytes }] of places.entries()) {
    const bytes = Buffer.alloc(sizeBytes, index + 1);
    await handle.write(bytes, 0, sizeBytes, startBytes);
    ranges.push({ startBytes, sizeBytes, sha256: createHash('sha256').update(bytes).digest('hex') });
  }
  await handle.close();
  return { file, map: { imageSizeBytes, blockSizeBytes, ranges } };
}

test('bmaptool accepts what is written, checks its checksums and copies the mapped ranges only', async (t) => {
  const { file, map } = await sparseImage();
  const [bmap, target] = [`${file}.bmap`, `${file}.copy`];
  await writeFile(bmap, formatBmap(map));
  const image = await readFile(file);
  const unmapped = await open(file, 'r+');
  await unmapped.write('not mapped', 500 * blockSizeBytes);
  await unmapped.close();
  await tool('bmaptool', ['copy', '--bmap', bmap, file, target]);
  t.true((await readFile(target)).equals(image));

  const changed = await open(file, 'r+');
  await changed.write('x', 1220 * blockSizeBytes);
  await changed.close();
  await t.throwsAsync(tool('bmaptool', ['copy', '--bmap', bmap, file, target]), { code: 'E_COMMAND_FAILED' });
});

test('what bmaptool writes is read, and is the same map', async (t) => {
  const { file, map } = await sparseImage();
  const theirs = parseBmap(await tool('bmaptool', ['create', file]).then((xml) => `${xml}\n`), 'disk.img.bmap');
  t.deepEqual(theirs, map);
  const withoutChecksums = parseBmap(`${await tool('bmaptool', ['create', '--no-checksum', file])}\n`, 'disk.img.bmap');
  t.deepEqual(withoutChecksums.ranges, places);
});

test('what is written is read back, and is the same each time', async (t) => {
  const { map } = await sparseImage();
  t.deepEqual(parseBmap(formatBmap(map), 'x'), map);
  t.is(formatBmap(map), formatBmap(structuredClone(map)));
  const bare = { ...map, ranges: places };
  t.deepEqual(parseBmap(formatBmap(bare), 'x'), bare);
});

/** Gives a changed file its right checksum again. */
function resealed(xml: string): string {
  const open = xml.replace(/(<BmapFileChecksum> ).{64}/, `$1${'0'.repeat(64)}`);
  return open.replace('0'.repeat(64), createHash('sha256').update(open).digest('hex'));
}

test('what cannot be right is refused', async (t) => {
  const good = formatBmap((await sparseImage()).map);
  const refused = (xml: string, message: RegExp) => {
    const error = t.throws(() => parseBmap(xml, 'card.bmap'), { instanceOf: ShipError });
    t.is(error.code, 'E_BMAP');
    t.is(error.exitStatus, ExitStatus.usage);
    t.deepEqual(error.place, { file: 'card.bmap' });
    t.regex(error.message, message);
    t.regex(error.remedy ?? '', /Fetch the \.bmap again/);
  };
  const change = (from: RegExp, to: string) => resealed(good.replace(from, to));
  refused(good.replace('<Range', '<Range '), /its checksum is [0-9a-f]{64}, it should be/);
  refused(good.slice(0, good.length / 2), /bmap/);
  refused('', /bmap/);
  refused('hello', /bmap/);
  refused('<html><body>404</body></html>', /bmap/);
  refused(change(/version="2.0"/, 'version="3.0"'), /format 3.0/);
  refused(change(/ sha256 /, ' sha512 '), /checksums are sha512/);
  refused(change(/<ImageSize> \d+/, '<ImageSize> 4096'), /5121 blocks of 4096 bytes are not an image of 4096 bytes/);
  refused(change(/<MappedBlocksCount> 4/, '<MappedBlocksCount> 5'), /its ranges are 4 blocks, it claims 5/);
  refused(change(/> 1220 </, '> 1 <'), /'1' is out of order or outside/);
  refused(change(/> 5120 </, '> 5121 <'), /'5121' is out of order or outside/);
  refused(change(/> 1220 </, '> many <'), /Range/);
  refused(change(/<ImageSize> .* <\/ImageSize>/, ''), /ImageSize/);
});
