import type { VerbOption } from './verb.ts';

/** The options that `build`, `release` and `plan` share. */
export const buildOptions: readonly VerbOption[] = [
  { flags: '--platform <platform>', description: 'only this platform; several times or with commas', repeatable: true },
  { flags: '--builder <name>', description: 'a buildx builder instead of the engine itself' },
  {
    flags: '--bases <provider>',
    description: 'where base images come from: a registry, or Debian packages',
    choices: ['auto', 'registry', 'bootstrap'],
    default: 'auto',
  },
  { flags: '--output <dir>', description: 'where to write (default: build/ beside the site file)' },
  { flags: '--cache-from <dir>', description: "read BuildKit's layer cache from here" },
  { flags: '--cache-to <dir>', description: "write BuildKit's layer cache to here" },
  { flags: '--no-cache', description: 'build every step again' },
];
