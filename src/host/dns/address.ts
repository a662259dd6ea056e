import net from 'node:net';
import { isPrivate4 } from '../network/subnet.ts';

/** The one way to write an address (RFC 5952): `2001:DB8:0::7` is `2001:db8::7`. Undefined where it is none of that family. */
export function canonicalAddress(text: string, family: 4 | 6): string | undefined {
  if (net.isIP(text) !== family || text.includes('%')) return undefined;
  return family === 4 ? text : new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

/** Unspecified, loopback, unique local and link-local addresses (RFC 6890). */
const private6 = new net.BlockList();
private6.addSubnet('::', 127, 'ipv6');
private6.addSubnet('fc00::', 7, 'ipv6');
private6.addSubnet('fe80::', 10, 'ipv6');

/** Whether an address means something only on one network, or one machine: nobody on the internet reaches it. */
export function isPrivateAddress(address: string): boolean {
  if (net.isIPv4(address)) return isPrivate4(address) || /^(?:127|0)\./.test(address);
  return net.isIPv6(address) && private6.check(address, 'ipv6');
}
