/** The types of records that a recipe may name. */
export const dnsTypes = ['A', 'AAAA', 'CNAME', 'SRV', 'TXT', 'CAA'] as const;
export type DnsType = (typeof dnsTypes)[number];

/** What a record holds, in normal form. Names are lower-case, in full, without the last dot; the root is ''. */
export type DnsData =
  /** Normal form of an address: `canonicalAddress`. */
  | { readonly type: 'A' | 'AAAA'; readonly address: string }
  | { readonly type: 'CNAME'; readonly target: string }
  /** RFC 2782; the target '' says that there is no such service. */
  | { readonly type: 'SRV'; readonly priority: number; readonly weight: number; readonly port: number; readonly target: string }
  /** All strings of the record in one, without quotes. */
  | { readonly type: 'TXT'; readonly text: string }
  /** RFC 8659; tags are lower-case. */
  | { readonly type: 'CAA'; readonly flags: number; readonly tag: string; readonly value: string };

/** One of the strings that a TXT record is made of: its length is one byte (RFC 1035, 3.3). */
export const longestStringBytes = 255;

/** As in a zone file (RFC 1035, 5.1): names with their last dot, texts in quotes. Two that read the same are the same. */
export function formatDnsData(data: DnsData): string {
  switch (data.type) {
    case 'A':
    case 'AAAA':
      return data.address;
    case 'CNAME':
      return `${data.target}.`;
    case 'SRV':
      // Where there is no such service, the numbers mean nothing, and some servers choose them themselves.
      return data.target === '' ? '0 0 0 .' : `${data.priority} ${data.weight} ${data.port} ${data.target}.`;
    case 'TXT':
      return dnsStrings(data.text).map(quote).join(' ');
    case 'CAA':
      return `${data.flags} ${data.tag} ${quote(Buffer.from(data.value))}`;
  }
}

/** The text cut into strings of at most 255 bytes; an empty text is one empty string. */
export function dnsStrings(text: string): Buffer[] {
  const bytes = Buffer.from(text);
  const strings: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += longestStringBytes) strings.push(bytes.subarray(at, at + longestStringBytes));
  return strings.length > 0 ? strings : [bytes];
}

/** RFC 1035, 5.1: `\DDD` is any byte, in decimal. */
function quote(bytes: Buffer): string {
  const characters = [...bytes].map((byte) => {
    const character = String.fromCharCode(byte);
    if (character === '"' || character === '\\') return `\\${character}`;
    return byte >= 0x20 && byte < 0x7f ? character : `\\${String(byte).padStart(3, '0')}`;
  });
  return `"${characters.join('')}"`;
}
