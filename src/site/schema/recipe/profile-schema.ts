import { z } from 'zod';
import { projectName, variableName } from '../words.ts';

const profile = z
  .strictObject({
    description: z.string().min(1).describe('One sentence: whom it is for.'),
    variables: z
      .record(variableName, z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]))
      .default({})
      .describe('Defaults that hold in this profile in place of the variables\' own; texts may be templates over `site`.'),
    engine: z.literal('none').optional().describe('Hosts of such sites have neither an engine nor root: services run as `processes` of the login user.'),
    ports: z.array(variableName).default([]).describe('Variables of type port, for which `prose-ship ports` finds numbers that are free on a host.'),
    required: z.array(variableName).default([]).describe('Variables and secrets that a site with this profile must give.'),
  })
  .describe('A way to use the recipe.');

/** `profiles` of a recipe. */
export const profiles = z
  .record(projectName, profile)
  .refine((value) => Object.keys(value).length > 0, { error: 'has no entry', params: { code: 'E_MISSING_VALUE', remedy: 'Name at least one profile, or leave `profiles` out.', hidden: true } })
  .describe('Ways to use the recipe, by name; a site chooses one by `profile`. Templates and conditions see its name as `site.profile`.');
export type ProfileInput = z.output<typeof profile>;
