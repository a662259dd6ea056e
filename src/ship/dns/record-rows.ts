import type { DnsType } from '../../host/dns/data.ts';
import type { DnsRecord } from '../../site/dns/record.ts';
import { nameInZone } from './zone-name.ts';

/** A record for programs: `data` is what stands in a zone file. */
export interface DnsRecordRow {
  readonly name: string;
  readonly type: DnsType;
  readonly ttl: number;
  readonly data: string;
  readonly purpose?: string;
}

export function recordRows(records: readonly DnsRecord[]): readonly DnsRecordRow[] {
  return records.map(({ name, data: { type }, ttlSeconds: ttl, text: data, purpose }) => ({ name, type, ttl, data, ...(purpose === undefined ? {} : { purpose }) }));
}

/** As the forms of DNS providers ask for it: the name within the zone, the value as it is typed there. */
export function formRows(records: readonly DnsRecord[], zone: string): readonly (readonly string[])[] {
  return records.map(({ name, data, ttlSeconds, text, purpose = '' }) => [
    nameInZone(name, zone) ?? `${name}.`,
    data.type,
    String(ttlSeconds),
    data.type === 'TXT' ? data.text : text,
    purpose,
  ]);
}

export const formHeader = ['name', 'type', 'TTL', 'value', 'purpose'] as const;
