import { distance } from 'fastest-levenshtein';

/** How many names a remedy lists before it stops. */
const shownNames = 24;

/** The candidate that was probably meant: at most a third of its letters wrong, or all of it but the case. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    const steps = distance(word.toLowerCase(), candidate.toLowerCase());
    if (steps < bestDistance) [best, bestDistance] = [candidate, steps];
  }
  const allowed = Math.max(1, Math.floor(Math.max(word.length, best?.length ?? 0) / 3));
  return bestDistance <= allowed ? best : undefined;
}

/** `Did you mean 'domain'?`, else the list of what is valid. */
export function suggest(word: string, candidates: Iterable<string>, what = 'Valid here'): string {
  const names = [...candidates];
  const near = nearest(word, names);
  if (near !== undefined) return `Did you mean '${near}'?`;
  if (names.length === 0) return `${what}: nothing.`;
  const more = names.length > shownNames ? ', ...' : '';
  return `${what}: ${names.slice(0, shownNames).join(', ')}${more}.`;
}
