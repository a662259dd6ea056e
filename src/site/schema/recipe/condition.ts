import { z } from 'zod';

const expression = z.string().min(1);

/** When something of a recipe is there: a Liquid condition, or several that must all hold. */
export const when = z
  .union([
    z.boolean().describe('Always or never.'),
    expression.describe('A condition, as behind `{% if`.'),
    z.array(expression).min(1).describe('Conditions that must all hold.'),
  ])
  .describe('Condition on the variables and `site`, as behind `{% if`: `rooms`, `site.profile == "public" and web`. A list must hold as a whole. Without it: always.');
export type Condition = z.output<typeof when>;
