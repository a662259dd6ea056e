import net from 'node:net';

/** The one way to write an address (RFC 5952): `2001:DB8:0::7` is `2001:db8::7`. Undefined where it is none of that family. */
export function canonicalAddress(text: string, family: 4 | 6): string | undefined {
  if (net.isIP(text) !== family || text.includes('%')) return undefined;
  return family === 4 ? text : new URL(`http://[${text}]/`).hostname.slice(1, -1);
}
