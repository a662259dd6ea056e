import type { DnsRecord } from './record.ts';
import type { Problems } from '../yaml/problems.ts';
import type { Path } from '../yaml/source-document.ts';

export interface PlacedRecord {
  readonly record: DnsRecord;
  /** Where its value stands. */
  readonly at: Path;
}

/** What no name server would load, or no client understand: records that exclude each other. */
export function checkRecords(placed: readonly PlacedRecord[], problems: Problems): void {
  for (const [index, { record, at }] of placed.entries()) {
    const { name, data, text, ttlSeconds } = record;
    const before = placed.slice(0, index).map((one) => one.record).filter((one) => one.name === name);
    const same = before.filter((one) => one.data.type === data.type);
    if (same.some((one) => one.text === text)) {
      problems.add(at, 'E_DUPLICATE', `The record '${data.type} ${name} ${text}' is there twice`, 'Remove one of the two.');
    } else if (before.length > 0 && [data, ...before.map((one) => one.data)].some(({ type }) => type === 'CNAME')) {
      const others = before.map((one) => `${one.data.type} ${one.text}`).join(', ');
      problems.add(at, 'E_DNS_CNAME_CONFLICT', `'${name}' would be ${data.type} ${text} beside ${others}`, 'A name that is an alias (CNAME) has no other record (RFC 1034, 3.6.2): give it A and AAAA records instead, or remove the others.');
    } else if (same.some((one) => one.ttlSeconds !== ttlSeconds)) {
      problems.add(at, 'E_DNS_TTL_CONFLICT', `'${data.type} ${name}' has the TTL ${ttlSeconds} here and ${same[0]?.ttlSeconds ?? ''} above`, 'All records of one name and type have one TTL (RFC 2181, 5.2).');
    }
  }
  checkAliases(placed, problems);
}

function checkAliases(placed: readonly PlacedRecord[], problems: Problems): void {
  const aliases = new Map(placed.flatMap(({ record: { name, data } }) => (data.type === 'CNAME' ? [[name, data.target] as const] : [])));
  for (const { record: { name, data }, at } of placed) {
    if (data.type === 'CNAME' && leadsTo(aliases, data.target, name)) {
      problems.add(at, 'E_DNS_CNAME_CONFLICT', `The alias '${name}' leads back to itself`, 'Let it end at a name with A or AAAA records.');
    }
    const target = data.type === 'SRV' ? aliases.get(data.target) : undefined;
    if (data.type === 'SRV' && target !== undefined) {
      problems.add(at, 'E_DNS_ALIAS_TARGET', `SRV '${name}' points to '${data.target}', which is an alias of '${target}'`, `A service points to a host itself (RFC 2782): write '${target}', or give '${data.target}' A and AAAA records.`);
    }
  }
}

function leadsTo(aliases: ReadonlyMap<string, string>, from: string, goal: string): boolean {
  const seen = new Set<string>();
  for (let name: string | undefined = from; name !== undefined && !seen.has(name); name = aliases.get(name)) {
    if (name === goal) return true;
    seen.add(name);
  }
  return false;
}
