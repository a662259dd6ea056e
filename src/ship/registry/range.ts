export interface InclusiveRange {
  readonly first: number;
  readonly last: number;
}

/**
 * One range of bytes (RFC 9110, 14.1.2): `bytes=5-`, `bytes=5-9`, `bytes=-3`. Undefined: the whole is to be sent, as for every
 * header that is not understood, several ranges included.
 */
export function parseRange(header: string | undefined, sizeBytes: number): InclusiveRange | 'unsatisfiable' | undefined {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '') ?? [];
  if (from === '' && to === '') return undefined;
  if (from === '') return Number(to) === 0 || sizeBytes === 0 ? 'unsatisfiable' : { first: Math.max(0, sizeBytes - Number(to)), last: sizeBytes - 1 };
  const first = Number(from);
  const last = to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
  if (to !== '' && Number(to) < first) return undefined; // not a range: to be ignored
  return first < sizeBytes ? { first, last } : 'unsatisfiable';
}
