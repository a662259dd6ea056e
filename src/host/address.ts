import { BlockList, isIP } from 'node:net';
import { isPrivate4 } from './network/subnet.ts';

/** Whether it is an address, IPv4 or IPv6. */
export function isAddress(text: string): boolean {
  return isIP(text) !== 0;
}

/** The one way to write an address (RFC 5952): `2001:DB8:0::7` is `2001:db8::7`. Undefined where it is none of that family. */
export function canonicalAddress(text: string, family: 4 | 6): string | undefined {
  if (isIP(text) !== family || text.includes('%')) return undefined;
  return family === 4 ? text : new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

/** Unspecified, loopback, unique local and link-local addresses (RFC 6890, the IANA special-purpose registries). */
const privateNetworks6 = new BlockList();
privateNetworks6.addSubnet('::', 127, 'ipv6');
privateNetworks6.addSubnet('fc00::', 7, 'ipv6');
privateNetworks6.addSubnet('fe80::', 10, 'ipv6');

/** An IPv4 address as IPv6 writes it (RFC 4291, section 2.5.5.2). */
const mapped4 = /^::ffff:(?=\d+\.)/i;

/** Whether it is an address, IPv4 or IPv6, that only its own network or host can reach; those of examples are not. */
export function isPrivateAddress(text: string): boolean {
  const address = text.replace(mapped4, '');
  const version = isIP(address);
  if (version === 4) return isPrivate4(address) || /^(?:0|127)\./.test(address);
  return version === 6 && privateNetworks6.check(address, 'ipv6');
}
