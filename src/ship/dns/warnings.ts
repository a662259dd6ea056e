import { isPrivateAddress } from '../../host/address.ts';
import type { DnsRecord } from '../../site/dns/record.ts';
import { nameInZone } from './zone-name.ts';

/** What is probably not meant, but may be. */
export interface DnsWarning {
  readonly code: `E_DNS_${string}`;
  readonly message: string;
  readonly remedy: string;
}

/** Addresses that nobody on the internet reaches. */
export function privateAddresses(records: readonly DnsRecord[]): readonly DnsWarning[] {
  return records.flatMap(({ name, data }): DnsWarning[] =>
    (data.type === 'A' || data.type === 'AAAA') && isPrivateAddress(data.address)
      ? [{
          code: 'E_DNS_PRIVATE',
          message: `${data.type} ${name} is ${data.address}, which only its own network reaches`,
          remedy: 'That is right for a DNS server of that network. For the internet it must be the public address, from which the router forwards the ports.',
        }]
      : [],
  );
}

/** Names of the site that records point to, without an address for them; `--check` asks for these instead. */
export function namesWithoutAddress(records: readonly DnsRecord[], domain: string): readonly DnsWarning[] {
  return unaddressedTargets(records)
    .filter((target) => nameInZone(target, domain) !== undefined)
    .map((target) => ({
      code: 'E_DNS_NO_ADDRESS',
      message: `Records point to '${target}', and none says which address that has`,
      remedy: 'Add its A and AAAA records, unless they are there already; the recipe may have variables for the addresses.',
    }));
}

/** Where services and aliases lead that the records themselves say nothing more about, each once. */
export function unaddressedTargets(records: readonly DnsRecord[]): readonly string[] {
  const known = new Set(records.filter(({ data: { type } }) => ['A', 'AAAA', 'CNAME'].includes(type)).map(({ name }) => name));
  const targets = records.flatMap(({ data }) => ((data.type === 'SRV' || data.type === 'CNAME') && data.target !== '' ? [data.target] : []));
  return [...new Set(targets)].filter((target) => !known.has(target));
}
