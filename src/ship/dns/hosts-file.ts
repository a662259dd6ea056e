import { ExitStatus, ShipError } from '../../errors.ts';
import type { DnsRecord } from '../../site/dns/record.ts';

/**
 * Records as lines of a hosts file (hosts(5)): an address and its names. Such a file has no records of services: who reads it
 * asks for the domain itself in their place, so that gets the address of the host that its services run on.
 * @throws ShipError E_DNS_HOSTS where no name has an address, or a record stands for all names, exit status 2
 */
export function hostsFile(records: readonly DnsRecord[]): string {
  const addresses = new Map<string, Set<string>>();
  const known = new Set<string>();
  const add = (name: string, address: string) => {
    addresses.set(address, (addresses.get(address) ?? new Set()).add(name));
    known.add(name);
  };
  for (const { name, data } of records) {
    if (name.startsWith('*')) throw refusal(`A hosts file has no entries for all names, as in ${data.type} '${name}'`, 'Let a name server read it: --format bind.');
    if (data.type === 'A' || data.type === 'AAAA') add(name, data.address);
  }
  if (known.size === 0) throw refusal('No record has an address', 'Give the host\'s own under `variables`; for the recipe prosody that is `ipv4`.');
  for (const { name, target } of records.flatMap(pointer)) {
    if (known.has(name)) continue;
    const targets = [...addresses].filter(([, names]) => names.has(target));
    for (const [address] of targets) add(name, address);
  }
  return [...addresses].map(([address, names]) => `${address} ${[...names].join(' ')}\n`).join('');
}

/** An alias, or `_service._protocol.DOMAIN`, and whom it points to. */
function pointer({ name, data }: DnsRecord): { readonly name: string; readonly target: string }[] {
  if (data.type === 'CNAME') return [{ name, target: data.target }];
  const domain = /^_[^.]+\._[^.]+\.(.+)$/.exec(name)?.[1];
  return data.type === 'SRV' && domain !== undefined && data.target !== '' ? [{ name: domain, target: data.target }] : [];
}

function refusal(message: string, remedy: string): ShipError {
  return new ShipError({ code: 'E_DNS_HOSTS', message, remedy, exitStatus: ExitStatus.usage });
}
