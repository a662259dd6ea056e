import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import test from 'ava';
import { bakeSite } from '../support/cards/card-site.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Everything twice, Debian's packages under emulation among it: half an hour on two busy processors. */
const withinMs = 2 * 60 * 60_000;

test('two bakes that share nothing give the same image, raw and compressed', async (t) => {
  t.timeout(withinMs);
  const site = await bakeSite({ base: 'debian', hostname: 'twice' });
  const digests: string[][] = [];
  for (const name of ['one', 'two']) {
    // An empty cache folder: a base and an engine of its own.
    const cache = await temporaryDirectory('cache');
    const directory = path.join(site.directory, name);
    const { exitCode, stderr } = await site.bake(['--no-cache', '--output', `${directory}/card.img.xz`], { environment: { PROSE_SHIP_CACHE: cache } });
    t.is(exitCode, 0, stderr);
    await rm(cache, { recursive: true, force: true });
    const names = (await readdir(directory)).toSorted();
    t.true(names.includes('card.img.sha256') && names.includes('card.img.xz'), names.join());
    digests.push(await Promise.all(['card.img.xz', 'card.img.sha256', 'card.img.bmap'].map((file) => sha256(path.join(directory, file)))));
  }
  t.deepEqual(digests[0], digests[1]);
});

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
