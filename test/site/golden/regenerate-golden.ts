/** Writes test/fixtures/site/golden anew; look at the difference before you commit it. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { goldenDirectory, goldenSites, renderGolden } from './golden-sites.ts';

for (const site of goldenSites) {
  const directory = path.join(goldenDirectory, site);
  const files = await renderGolden(site);
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  for (const [name, text] of files) await writeFile(path.join(directory, name), text);
  console.log(`${site}: ${[...files.keys()].join(', ')}`);
}
