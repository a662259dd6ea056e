import { z } from 'zod';
import { text } from '../words.ts';

/** The keys of a recipe whose content may stand in a file of its own. */
export const includableKeys = [
  'components',
  'knownVersions',
  'variables',
  'profiles',
  'rules',
  'files',
  'dns',
  'rollout',
  'processes',
  'data',
  'accounts',
  'host',
  'steps',
  'os',
] as const;

const partFile = text((value) => {
  if (value.startsWith('/') || /[\\\0]/.test(value) || value.split('/').includes('..')) {
    return { code: 'E_BAD_PATH', message: "leaves the recipe's folder", remedy: 'Give a path below the folder of recipe.yaml, without `..`.' };
  }
  return /[^/]\.ya?ml$/.test(value) ? undefined : { code: 'E_BAD_PATH', message: 'is not the name of a YAML file', remedy: 'Give a file whose name ends in .yaml, beside recipe.yaml.' };
});

type IncludeShape = Record<(typeof includableKeys)[number], z.ZodOptional<typeof partFile>>;

export const include = z
  .strictObject(Object.fromEntries(includableKeys.map((key) => [key, partFile.optional().describe(`File with what would stand under \`${key}\`.`)])) as IncludeShape)
  .describe('Parts of the recipe that stand in files of their own, by key; paths are relative to this file and stay in its folder.');
