import { BlockList, isIP } from 'node:net';

/** Whether it is an address, IPv4 or IPv6. */
export function isAddress(text: string): boolean {
  return isIP(text) !== 0;
}

/** Addresses that nobody reaches from the internet (RFC 6890, the IANA special-purpose registries), examples left out. */
const privateNetworks = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) privateNetworks.addSubnet(network, bits, 'ipv4');
for (const [network, bits] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
] as const) privateNetworks.addSubnet(network, bits, 'ipv6');

/** Whether it is an address, IPv4 or IPv6, that only its own network or host can reach. */
export function isPrivateAddress(address: string): boolean {
  const version = isIP(address);
  return version !== 0 && privateNetworks.check(address, version === 4 ? 'ipv4' : 'ipv6');
}
