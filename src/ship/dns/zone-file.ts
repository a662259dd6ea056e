import { ExitStatus, ShipError } from '../../errors.ts';
import type { DnsRecord } from '../../site/dns/record.ts';
import { nameInZone } from './zone-name.ts';

/** What makes a fragment a whole zone. */
export interface ZoneAuthority {
  /** Names of its name servers, at least one; the first is the primary one. */
  readonly nameServers: readonly string[];
  /** Secondary servers fetch the zone when it has grown. */
  readonly serial: number;
}

/** RIPE-203's values for a small, stable zone; what does not exist is remembered for five minutes only, because it is soon added. */
const timers = { refresh: 86_400, retry: 7_200, expire: 3_600_000, negativeTtl: 300 };
const authorityTtlSeconds = 3600;

/**
 * Records as a master file (RFC 1035, section 5): names relative to the zone, those of other zones in full. Without
 * `authority` it is a fragment to be put into the zone that is there.
 * @throws ShipError E_DNS_OUTSIDE_ZONE, E_DNS_CNAME_CONFLICT, E_DNS_NO_GLUE where the records make no zone, exit status 2
 */
export function zoneFile(records: readonly DnsRecord[], zone: string, authority?: ZoneAuthority): string {
  if (authority) checkZone(records, zone, authority);
  const owners = records.map(({ name }) => nameInZone(name, zone) ?? `${name}.`);
  const nameWidth = Math.max(1, ...owners.map(({ length }) => length));
  const line = (owner: string, ttlSeconds: number, type: string, text: string) => `${owner.padEnd(nameWidth)} ${String(ttlSeconds).padStart(5)} IN ${type.padEnd(5)} ${text}`;
  const head = authority ? authorityOf(zone, authority).map(([type, text]) => line('@', authorityTtlSeconds, type, text)) : [];
  const lines = records.flatMap(({ ttlSeconds, data: { type }, text, purpose }, index) => [
    ...(purpose === undefined || purpose === records[index - 1]?.purpose ? [] : [`; ${purpose}`]),
    line(owners[index] ?? '', ttlSeconds, type, text),
  ]);
  return `${[`$ORIGIN ${zone}.`, ...head, ...lines].join('\n')}\n`;
}

function authorityOf(zone: string, { nameServers, serial }: ZoneAuthority): [type: string, text: string][] {
  const { refresh, retry, expire, negativeTtl } = timers;
  return [
    ['SOA', `${nameServers[0] ?? ''}. hostmaster.${zone}. ${serial} ${refresh} ${retry} ${expire} ${negativeTtl}`],
    ...nameServers.map((name): [string, string] => ['NS', `${name}.`]),
  ];
}

function checkZone(records: readonly DnsRecord[], zone: string, { nameServers }: ZoneAuthority): void {
  const outside = records.filter(({ name }) => nameInZone(name, zone) === undefined).map(({ name }) => name);
  if (outside.length > 0) {
    throw refusal('E_DNS_OUTSIDE_ZONE', `The zone '${zone}' cannot hold ${[...new Set(outside)].join(', ')}`, 'Name the zone that has them all with --zone NAME; without --name-server comes a fragment, in which they may stand.');
  }
  const alias = records.find(({ name, data }) => name === zone && data.type === 'CNAME');
  if (alias) {
    throw refusal('E_DNS_CNAME_CONFLICT', `The zone's own name '${zone}' would be an alias: CNAME ${alias.text}`, `A zone has SOA and NS records at its name, which exclude an alias. If '${zone}' stands in a larger zone, name that with --zone NAME.`);
  }
  for (const server of nameServers.filter((name) => nameInZone(name, zone) !== undefined)) {
    if (records.some(({ name, data: { type } }) => name === server && (type === 'A' || type === 'AAAA'))) continue;
    throw refusal('E_DNS_NO_GLUE', `The name server '${server}' stands in the zone, but has no A or AAAA record there`, 'Name one that has an address: --name-server NAME.');
  }
}

function refusal(code: ShipError['code'], message: string, remedy: string): ShipError {
  return new ShipError({ code, message, remedy, exitStatus: ExitStatus.usage });
}
