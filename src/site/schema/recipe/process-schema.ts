import { z } from 'zod';
import { environmentName, fileName, serviceName } from '../words.ts';

/** Plans separate fields by tabs and lines. */
const line = z.string().regex(/^[^\t\r\n]*$/, 'has a tab or a line break');

const process = z
  .strictObject({
    entrypoint: fileName.describe('One of `files`: a shell script (POSIX sh) that gets a command as its arguments and runs it out of the unpacked image; docs/recipes/shared.md.'),
    command: z.array(line.min(1)).min(1).describe('What runs for good: the arguments of the entrypoint. Commands of `accounts` and probes go through it, too.'),
    environment: z.record(environmentName, line).default({}).describe('Variables that both find; values may be templates.'),
    ports: z.array(z.union([z.int(), z.string()])).default([]).describe('TCP ports at which it listens; may be templates. What renders to nothing is left out.'),
    stopSeconds: z.int().min(1).max(300).default(30).describe('How long it may take to end, in seconds; after that it is killed.'),
  })
  .describe('How one service runs.');

/** `processes` of a recipe. */
export const processes = z.record(serviceName, process).describe('How services run in profiles with `engine: none`, by their names.');
