import type { DnsType } from '../../host/dns/data.ts';
import type { DnsRecord } from '../../site/dns/record.ts';

/** All wanted records of one name and type: what one question to the DNS answers (RFC 2181, section 5). */
export interface RecordSet {
  readonly name: string;
  readonly type: DnsType;
  readonly records: readonly DnsRecord[];
}

/** In the order in which their first records stand. */
export function recordSets(records: readonly DnsRecord[]): readonly RecordSet[] {
  const sets = Map.groupBy(records, ({ name, data: { type } }) => `${type} ${name}`);
  return [...sets.values()].flatMap((set) => (set[0] ? [{ name: set[0].name, type: set[0].data.type, records: set }] : []));
}
