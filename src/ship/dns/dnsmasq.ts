import { dnsStrings } from '../../host/dns/data.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { DnsRecord } from '../../site/model.ts';

/**
 * Records as lines of dnsmasq's configuration, in its man page's words. Only addresses and aliases have a TTL there; an alias
 * must lead to a name that dnsmasq itself knows.
 * @throws ShipError E_DNS_WILDCARD, exit status 2
 */
export function dnsmasqConfiguration(records: readonly DnsRecord[]): string {
  const wildcard = records.find(({ name }) => name.startsWith('*'));
  if (wildcard) {
    throw new ShipError({
      code: 'E_DNS_WILDCARD',
      message: `dnsmasq has no record for all names: '${wildcard.name}'`,
      remedy: 'Let the recipe list the names, or use --format bind.',
      exitStatus: ExitStatus.usage,
    });
  }
  const lines = records.flatMap((record, index) => [
    ...(record.purpose === undefined || record.purpose === records[index - 1]?.purpose ? [] : [`# ${record.purpose}`]),
    option(record),
  ]);
  return lines.map((line) => `${line}\n`).join('');
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
