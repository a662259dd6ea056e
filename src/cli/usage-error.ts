import type { CommanderError } from 'commander';
import { wrongUsage, type ShipError } from '../errors.ts';

/** What is wrong with the words that were typed: E_USAGE, with what was meant instead where that can be guessed. */
export function usageError({ code, message }: CommanderError, verb: string | undefined): ShipError {
  const [problem = '', suggestion] = (code === 'commander.help' ? 'No verb is given' : message).replace(/^error: /, '').split('\n');
  const meant = /^\(Did you mean (?:one of )?(.*)\?\)$/.exec(suggestion ?? '')?.[1];
  const help = `\`prose-ship ${verb === undefined ? '' : `${verb} `}--help\``;
  return wrongUsage(
    `${problem.charAt(0).toUpperCase()}${problem.slice(1).replace(/\.$/, '')}`,
    meant ? `Did you mean ${meant.replace(/, ([^,]*)$/, ' or $1')}?` : `See ${help}.`,
  );
}
