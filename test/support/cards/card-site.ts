import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { proseShip, type CommandLineResult } from '../command-line.ts';
import { packedRelease } from '../releases/packed-release.ts';
import { sampleKey } from './card.ts';
import { temporaryDirectory } from '../temporary-directory.ts';

export interface BakeSite {
  readonly directory: string;
  readonly release: string;
  /** `bake ARGS`, by the command line, with the site's `os` or recipe changed for this run. */
  bake(args: readonly string[], options?: { readonly recipe?: string; readonly os?: Readonly<Record<string, unknown>>; readonly environment?: Readonly<Record<string, string>>; readonly interruptWhen?: () => Promise<boolean> }): Promise<CommandLineResult>;
}

/** A site with a release for linux/arm64 whose images hold only a few files: baking it is about the card. */
export async function bakeSite(os: Readonly<Record<string, unknown>>): Promise<BakeSite> {
  const directory = await temporaryDirectory('card-site');
  const { directory: release } = await packedRelease([{ 'usr/lib/one': 'one' }, { 'usr/lib/two': 'two' }], '1.0.0', directory);
  const file = path.join(directory, 'prose-ship.yaml');
  const site = await readFile(file, 'utf8');
  return {
    directory,
    release,
    bake: async (args, { recipe = 'prosody', os: changes = {}, environment = {}, interruptWhen } = {}) => {
      // JSON is YAML.
      await writeFile(file, `${site.replace('recipe: prosody', `recipe: ${recipe}`)}os: ${JSON.stringify({ authorizedKeys: [sampleKey], ...os, ...changes })}\n`);
      return proseShip(['bake', '--release', release, ...args], { cwd: directory, environment, ...(interruptWhen ? { interruptWhen } : {}) });
    },
  };
}
