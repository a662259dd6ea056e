import { Tokenizer, TypeGuards, type Liquid } from 'liquidjs';
import { ExitStatus, ShipError } from '../../errors.ts';

/**
 * Evaluates what stands behind `{% if`, filters included. Liquid lets much pass that cannot have been meant (`a and`, a
 * missing operator, an open quote); here it is refused.
 * @throws ShipError E_CONDITION, and what liquidjs throws
 */
export function evaluateCondition(liquid: Liquid, expression: string, scope: object): boolean {
  const wrong = misspelt(liquid, expression);
  if (wrong !== undefined) {
    throw new ShipError({
      code: 'E_CONDITION',
      message: `'${expression}' is not a condition: ${wrong}`,
      remedy: 'Write it as behind `{% if` of a template: rooms, web and not turn, site.profile == "public"; filters go last: address | is_address.',
      exitStatus: ExitStatus.usage,
    });
  }
  const value: unknown = liquid.evalValueSync(expression, scope);
  return value !== false && value !== null && value !== undefined;
}

function misspelt(liquid: Liquid, expression: string): string | undefined {
  if (/["']/.test(expression.replaceAll(/"[^"]*"|'[^']*'/g, ''))) return 'a quote is not closed';
  const { postfix } = new Tokenizer(expression, liquid.options.operators).readFilteredValue().initial;
  const operators = postfix.filter((token) => TypeGuards.isOperatorToken(token));
  const binary = operators.filter(({ operator }) => operator !== 'not').length;
  const values = postfix.length - operators.length;
  if (values > binary + 1) return 'an operator is missing between two values';
  return values < binary + 1 ? 'an operator has nothing on one of its sides' : undefined;
}
