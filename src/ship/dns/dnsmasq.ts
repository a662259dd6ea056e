import { dnsStrings } from '../../host/dns/data.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { DnsRecord } from '../../site/dns/record.ts';

/** Longer lines of its configuration are cut (dnsmasq.h, MAXDNAME). */
const longestLineBytes = 1024;

/**
 * Records as lines of dnsmasq's configuration, in its man page's words. Only addresses and aliases have a TTL there; an alias
 * must lead to a name that dnsmasq itself knows.
 * @throws ShipError E_DNS_DNSMASQ for what it cannot hold, exit status 2
 */
export function dnsmasqConfiguration(records: readonly DnsRecord[]): string {
  const lines = records.flatMap((record, index) => [
    ...(record.purpose === undefined || record.purpose === records[index - 1]?.purpose ? [] : [`# ${record.purpose}`]),
    line(record),
  ]);
  return lines.map((text) => `${text}\n`).join('');
}

function line(record: DnsRecord): string {
  const text = option(record);
  const { name, data: { type } } = record;
  if (name.startsWith('*')) throw refusal(`dnsmasq has no records for all names, as in ${type} '${name}'`);
  const bytes = Buffer.byteLength(text);
  if (bytes > longestLineBytes) throw refusal(`dnsmasq reads ${longestLineBytes} bytes a line, and ${type} '${name}' takes ${bytes}`);
  return text;
}

function refusal(message: string): ShipError {
  return new ShipError({ code: 'E_DNS_DNSMASQ', message, remedy: 'Let a name server read it: --format bind.', exitStatus: ExitStatus.usage });
}

function option({ name, ttlSeconds, data }: DnsRecord): string {
  switch (data.type) {
    case 'A':
    case 'AAAA':
      return `host-record=${name},${data.address},${ttlSeconds}`;
    case 'CNAME':
      return `cname=${name},${data.target},${ttlSeconds}`;
    case 'SRV':
      return data.target === '' ? `srv-host=${name}` : `srv-host=${name},${data.target},${data.port},${data.priority},${data.weight}`;
    case 'TXT':
      return `txt-record=${[name, ...dnsStrings(data.text).map(quote)].join(',')}`;
    case 'CAA':
      return `caa-record=${name},${data.flags},${data.tag},${quote(Buffer.from(data.value))}`;
  }
}

/** In quotes a comma is a comma; a backslash escapes (man page, "CONFIG FILE"). */
function quote(bytes: Buffer): string {
  return `"${bytes.toString().replace(/["\\]/g, '\\$&')}"`;
}
