import { ShipError } from '../../errors.ts';
import type { DnsRecord } from '../../site/dns/record.ts';
import type { DnsFinding } from './check.ts';

/** `A example.org: wanted 203.0.113.7, found 203.0.113.9` */
export function describeFinding({ name, type, wanted, found, note }: DnsFinding): string {
  const instead = found.length > 0 ? found.join(', ') : 'nothing';
  return `${type} ${name}: wanted ${wanted.join(', ')}, found ${instead}${note === undefined ? '' : ` (${note})`}`;
}

const codes = { missing: 'E_DNS_MISSING', mismatch: 'E_DNS_MISMATCH', failed: 'E_DNS_FAILED' } as const;

/** What is not as it should be, everything at once; undefined where all is well. */
export function checkError(findings: readonly DnsFinding[], server: string, records: readonly DnsRecord[], result: object): ShipError | undefined {
  const wrong = findings.flatMap((finding) => (finding.state === 'ok' ? [] : [{ ...finding, state: finding.state }]));
  const [first] = wrong;
  if (!first) return undefined;
  const worst = (['mismatch', 'missing', 'failed'] as const).find((state) => wrong.some((finding) => finding.state === state)) ?? first.state;
  const one = wrong.length === 1;
  return new ShipError({
    code: codes[worst],
    message: one ? describeFinding(first) : `${wrong.length} of ${findings.length} answers of ${server} are not as wanted`,
    ...(one ? {} : { output: wrong.map((finding) => `${describeFinding(finding)} (${codes[finding.state]})`).join('\n') }),
    remedy: wrong.flatMap((finding) => remedyOf(finding, records)).concat(wrong.every(({ state }) => state === 'failed') ? [] : [patience]).join('\n'),
    result,
  });
}

const patience = 'After a change, caches go on with the old answer until its TTL is over; --server NAME asks a name server of the zone itself.';

function remedyOf({ name, type, state, wanted, found }: DnsFinding, records: readonly DnsRecord[]): string[] {
  if (state === 'failed') return [`${type} ${name} was not answered: ask a name server of its zone, or a resolver, with --server ADDRESS.`];
  const missing = records.filter((record) => record.name === name && record.data.type === type && !found.includes(record.text));
  const tooMany = type === 'TXT' || type === 'CAA' ? [] : found.filter((text) => !wanted.includes(text));
  return [
    ...(wanted.length > 0 && missing.length === 0 && found.length === 0 ? [`Give ${name} an address (A, AAAA).`] : []),
    ...missing.map(({ ttlSeconds, text }) => `Add     ${name}. ${ttlSeconds} IN ${type} ${text}`),
    ...tooMany.map((text) => `Remove  ${name}. IN ${type} ${text}`),
  ];
}
