import type { Context } from '../../context.ts';
import { formatPlace } from '../../errors.ts';
import type { Step } from '../model.ts';
import type { RecipeInput } from '../schema/recipe-schema.ts';
import type { Problems } from '../yaml/problems.ts';
import type { Path } from '../yaml/source-document.ts';
import { adoptFailure } from './components.ts';
import { holds, type Surroundings } from './conditions.ts';

/** Refuses, or warns of, combinations of values that the recipe calls senseless: E_RULE at the site's `variables`. */
export async function applyRules({ emit }: Pick<Context, 'emit'>, { rules }: RecipeInput, surroundings: Surroundings, siteProblems: Problems): Promise<void> {
  for (const [index, rule] of rules.entries()) {
    const at = ['rules', index];
    if (!holds(rule.when, [...at, 'when'], surroundings)) continue;
    const message = await renderAt(rule.message, [...at, 'message'], surroundings);
    const remedy = await renderAt(rule.remedy, [...at, 'remedy'], surroundings);
    const place = ['variables'];
    if (rule.level === 'error') siteProblems.addToKey(place, 'E_RULE', message, remedy);
    else emit({ type: 'log', level: 'warning', message: `${formatPlace(siteProblems.document.placeOfKey(place))}: ${message}. ${remedy}` });
  }
}

/** The recipe's steps for people, with the site's values. */
export async function makeSteps({ steps }: RecipeInput, surroundings: Surroundings): Promise<Step[]> {
  const made: Step[] = [];
  for (const [index, { title, text }] of steps.entries()) {
    const at = ['steps', index];
    made.push({
      title: await renderAt(title, [...at, 'title'], surroundings),
      text: (await renderAt(text, [...at, 'text'], surroundings)).trim(),
    });
  }
  return made;
}

function renderAt(text: string, at: Path, { engine, scope, problems }: Surroundings): Promise<string> {
  return engine.renderText(text, scope, problems.document.placeOf(at)).catch((error: unknown) => adoptFailure(error, at, problems));
}
