import net from 'node:net';

/** A network that an interface stands in: its own address there, and how many leading bits all its neighbours share. */
export interface Network {
  readonly address: string;
  readonly prefixLength: number;
  readonly family: 4 | 6;
}

/** Without the scope of a link-local address: `fe80::1%eth0` is `fe80::1`. */
export function withoutScope(address: string): string {
  return address.split('%')[0] ?? address;
}

/** Whether `address` is a neighbour's: reached without a router. Anything that is no address is not. */
export function isOnLink({ networks }: { readonly networks: readonly Network[] }, address: string): boolean {
  const plain = withoutScope(address);
  const family = net.isIP(plain);
  return networks.some((network) => {
    if (network.family !== family) return false;
    const list = new net.BlockList();
    const type = family === 4 ? 'ipv4' : 'ipv6';
    list.addSubnet(network.address, network.prefixLength, type);
    return list.check(plain, type);
  });
}

/** Whether an IPv6 address counts on one link only and so needs the name of its interface (RFC 4291, 2.5.6). */
export function isLinkLocal6(address: string): boolean {
  return /^fe[89ab][0-9a-f]:/i.test(address);
}

/** Private, shared or link-local (RFC 1918, RFC 6598, RFC 3927): nobody's server on the internet. */
export function isPrivate4(address: string): boolean {
  return /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|169\.254\.)/.test(address);
}

/** All addresses of an IPv4 network but its own, the network's and the broadcast address, in order. */
export function neighbourAddresses({ address, prefixLength }: Network): string[] {
  const size = 2 ** (32 - prefixLength);
  const own = toNumber(address);
  const first = own - (own % size);
  const [from, to] = size > 2 ? [first + 1, first + size - 2] : [first, first + size - 1];
  const addresses: string[] = [];
  for (let number = from; number <= to; number++) if (number !== own) addresses.push(toAddress(number));
  return addresses;
}

function toNumber(address: string): number {
  return address.split('.').reduce((number, part) => number * 256 + Number(part), 0);
}

function toAddress(number: number): string {
  return [2 ** 24, 2 ** 16, 2 ** 8, 1].map((place) => Math.floor(number / place) % 256).join('.');
}
