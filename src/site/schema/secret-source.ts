import { z } from 'zod';
import { environmentName } from './words.ts';

/** Where a secret's value comes from; never the value. */
export const secretSource = z
  .union([
    z.strictObject({ env: environmentName.describe('Name of an environment variable.') }).describe('From the environment.'),
    z.strictObject({ file: z.string().min(1).describe('Path, relative to this file; `~/` is your home.') }).describe('From a file.'),
    z
      .strictObject({ command: z.array(z.string()).min(1).describe('Program and arguments; standard output is the value.') })
      .describe('From a command, such as a password manager.'),
  ])
  .describe('`{env: NAME}`, `{file: PATH}` or `{command: [PROGRAM, ARGUMENT, ...]}`. A final newline is not part of the value.');
export type SecretSource = z.output<typeof secretSource>;
