import { z } from 'zod';
import { parseSize } from './os-words.ts';
import { text, type Refusal } from './words.ts';

const smallestBudget = 256 * 1024 ** 2;

const diskBudget = text((value): Refusal | undefined => {
  const code = 'E_BAD_SIZE';
  const sizeBytes = parseSize(value);
  if (sizeBytes === undefined) return { code, message: 'is not a size', remedy: 'A whole number and its unit: 4GiB or 800MiB.' };
  return sizeBytes >= smallestBudget ? undefined : { code, message: 'is too small', remedy: 'At least 256MiB.' };
}, /^(\d+)(MiB|GiB)$/);

/** What a host keeps of the releases that ran there; without it nothing is removed unless somebody asks for it. */
export const retention = z
  .strictObject({
    releases: z.int().min(2).max(50).default(2).describe('How many releases a host keeps with their images, the current and the previous one included.'),
    diskBudget: diskBudget
      .optional()
      .describe('What they may take of the disk together, as in 4GiB: beyond it the oldest go, but never the current and the previous one.'),
  })
  .describe('After each update the host removes the releases that are not to be kept. Without this key, it keeps all until `updater prune` is run there.');
export type RetentionInput = z.output<typeof retention>;
