import { z } from 'zod';
import { when } from './condition.ts';

/** `rules` of a recipe. */
export const rules = z
  .array(
    z
      .strictObject({
        when: when.describe('Condition under which a site makes no sense. Sees `components.NAME.version` besides the variables and `site`.'),
        message: z.string().min(1).describe('What is wrong; may be a template.'),
        remedy: z.string().min(1).describe('What to do about it; may be a template.'),
        level: z.enum(['error', 'warning']).default('error').describe('`error` refuses the site, `warning` only says so.'),
      })
      .describe('One combination of values that is refused.'),
  )
  .default([])
  .describe('Combinations of values that a site must not have.');

/** `steps` of a recipe. */
export const steps = z
  .array(
    z
      .strictObject({
        title: z.string().min(1).describe('What is to be done, in a few words; may be a template.'),
        text: z.string().min(1).describe('How; a template, so that it can name the site\'s own values.'),
        when: when.optional(),
      })
      .describe('One thing to do.'),
  )
  .default([])
  .describe('What a person must do because no program can: at the router, at the DNS provider. `prose-ship steps` prints them with the site\'s values.');
