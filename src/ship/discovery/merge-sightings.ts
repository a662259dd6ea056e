import { isLinkLocal6 } from '../../host/network/subnet.ts';
import { macVendor } from './mac-vendors.ts';
import { proseShipService } from './mdns-sightings.ts';
import type { Means, Sighting } from './sighting.ts';

/** A host on the local network, before anybody asked its SSH server. */
export interface SeenHost {
  readonly interface: string;
  /** IPv4 first, link-local IPv6 last, with its scope (`fe80::1%eth0`). */
  readonly addresses: readonly string[];
  readonly names: readonly string[];
  readonly mac?: string;
  readonly vendor?: string;
  readonly foundBy: readonly Means[];
  readonly services: readonly string[];
  /** By its maker, or by the name of a fresh Raspberry Pi OS. */
  readonly isRaspberryPi: boolean;
  readonly runsProseShip: boolean;
}

/**
 * Sightings are of one host when they share an address or a MAC address on an interface; a name alone says nothing, because
 * every fresh Pi has the same one. In the order of addresses.
 */
export function mergeSightings(sightings: readonly Sighting[]): readonly SeenHost[] {
  let groups: { keys: Set<string>; sightings: Sighting[] }[] = [];
  for (const sighting of sightings) {
    const keys = new Set([...sighting.addresses, ...(sighting.mac ? [sighting.mac] : [])].map((key) => `${sighting.interface} ${key}`));
    const same = groups.filter((group) => [...keys].some((key) => group.keys.has(key)));
    groups = groups.filter((group) => !same.includes(group));
    groups.push({
      keys: new Set([...keys, ...same.flatMap((group) => [...group.keys])]),
      sightings: [...same.flatMap((group) => group.sightings), sighting],
    });
  }
  return groups.map((group) => describe(group.sightings)).sort((one, other) => compareAddresses(one.addresses[0] ?? '', other.addresses[0] ?? ''));
}

function describe(sightings: readonly Sighting[]): SeenHost {
  const unique = <T>(values: readonly T[]) => [...new Set(values)];
  const on = sightings[0]?.interface ?? '';
  const names = unique(sightings.flatMap(({ name }) => name ?? [])).sort();
  const macs = unique(sightings.flatMap(({ mac }) => mac ?? []));
  const mac = macs.find((one) => macVendor(one)) ?? macs[0];
  const vendor = mac === undefined ? undefined : macVendor(mac);
  const services = unique(sightings.flatMap((sighting) => sighting.services ?? [])).sort();
  const addresses = unique(sightings.flatMap((sighting) => sighting.addresses)).map((address) => (isLinkLocal6(address) ? `${address}%${on}` : address));
  return {
    interface: on,
    addresses: addresses.sort(compareAddresses),
    names,
    ...(mac === undefined ? {} : { mac }),
    ...(vendor === undefined ? {} : { vendor }),
    foundBy: unique(sightings.map(({ means }) => means)),
    services,
    isRaspberryPi: vendor !== undefined || names.some((name) => /^raspberrypi(-\d+)?\.local$/.test(name)),
    runsProseShip: services.includes(proseShipService),
  };
}

/** IPv4 by its numbers, then IPv6, link-local last. */
function compareAddresses(one: string, other: string): number {
  const rank = (address: string) => (!address.includes(':') ? 0 : isLinkLocal6(address) ? 2 : 1);
  return rank(one) - rank(other) || one.localeCompare(other, 'en', { numeric: true });
}
