import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { goldenDirectory, goldenSites, renderGolden } from './golden-sites.ts';

for (const site of goldenSites) {
  test(`renders ${site} as recorded (node test/site/golden/regenerate-golden.ts writes the record)`, async (t) => {
    const files = await renderGolden(site);
    t.deepEqual((await readdir(path.join(goldenDirectory, site))).sort(), [...files.keys()].sort());
    for (const [name, text] of files) t.is(await readFile(path.join(goldenDirectory, site, name), 'utf8'), text);
  });
}
