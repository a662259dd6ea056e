import { formatDnsData, type DnsData } from '../../../src/host/dns/data.ts';
import type { DnsRecord } from '../../../src/site/dns/record.ts';

export function record(name: string, data: DnsData, more: { readonly ttlSeconds?: number; readonly purpose?: string } = {}): DnsRecord {
  return { name, ttlSeconds: 3600, data, text: formatDnsData(data), ...more };
}

/** One of every type, with what is hard to quote, and one of another zone. */
export const everyType: readonly DnsRecord[] = [
  record('example.org', { type: 'A', address: '203.0.113.7' }, { ttlSeconds: 600, purpose: 'The host' }),
  record('example.org', { type: 'AAAA', address: '2001:db8::7' }, { ttlSeconds: 600, purpose: 'The host' }),
  record('www.example.org', { type: 'CNAME', target: 'example.org' }),
  record('_xmpp-client._tcp.example.org', { type: 'SRV', priority: 0, weight: 5, port: 5222, target: 'example.org' }, { purpose: 'Clients' }),
  record('_xmpps-client._tcp.example.org', { type: 'SRV', priority: 0, weight: 0, port: 0, target: '' }),
  record('_note.example.org', { type: 'TXT', text: String.raw`a "b", c; d\e é` }),
  record('_long.example.org', { type: 'TXT', text: 'x'.repeat(300) }),
  record('example.org', { type: 'CAA', flags: 0, tag: 'issue', value: 'letsencrypt.org; x=1' }),
];
export const elsewhere = record('proxy.example.net', { type: 'A', address: '203.0.113.8' });
