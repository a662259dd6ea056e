import { canonicalAddress } from '../../host/address.ts';
import type { DnsData, DnsType } from '../../host/dns/data.ts';
import { judgeDomain, type Refusal } from '../schema/words.ts';

/** What a record's value is written like, or why it cannot be one: `message` continues "'VALUE' ...". */
export function readDnsData(type: DnsType, text: string): DnsData | Refusal {
  return readers[type](text);
}

export function isRefusal(read: DnsData | Refusal): read is Refusal {
  return 'message' in read;
}

/** Lower-case, without the last dot. */
export function plainDnsName(text: string): string {
  return text.toLowerCase().replace(/\.$/, '');
}

const readers: Readonly<Record<DnsType, (text: string) => DnsData | Refusal>> = {
  A: (text) => readAddress('A', text),
  AAAA: (text) => readAddress('AAAA', text),
  CNAME: (text) => {
    const target = plainDnsName(text);
    return judgeDnsName(target) ?? { type: 'CNAME', target };
  },
  SRV: readSrv,
  TXT: readTxt,
  CAA: readCaa,
};

function readAddress(type: 'A' | 'AAAA', text: string): DnsData | Refusal {
  const family = type === 'A' ? 4 : 6;
  const address = canonicalAddress(text, family);
  if (address !== undefined) return { type, address };
  const other = canonicalAddress(text, family === 4 ? 6 : 4) === undefined ? undefined : type === 'A' ? 'AAAA' : 'A';
  return refuse(`is not an IPv${family} address`, other ? `It belongs into a record of type ${other}.` : `As in ${family === 4 ? '203.0.113.7' : '2001:db8::7'}; a name needs the type CNAME.`);
}

function readSrv(text: string): DnsData | Refusal {
  const form = 'Four parts, PRIORITY WEIGHT PORT TARGET: `0 5 5222 chat.example.org`.';
  const [priority = '', weight = '', port = '', name = '', ...more] = text.split(/\s+/);
  const numbers = [priority, weight, port];
  if (name === '' || more.length > 0 || !numbers.every((number) => /^\d{1,5}$/.test(number) && Number(number) <= 65_535)) {
    return refuse('is not what an SRV record holds', `${form} Each number is at most 65535.`);
  }
  const target = plainDnsName(name);
  // RFC 2782: a dot says that the service is not available.
  const refusal = target === '' ? undefined : judgeDomain(target);
  if (refusal) return refuse(`points to '${name}', which is not the name of a host`, `It must be a name that has A or AAAA records: ${form}`);
  if (target === '') return { type: 'SRV', priority: 0, weight: 0, port: 0, target };
  if (Number(port) === 0) return refuse('has the port 0', form);
  return { type: 'SRV', priority: Number(priority), weight: Number(weight), port: Number(port), target };
}

/** What fits into a record with its length bytes (RFC 1035, 3.3 and 4.1.3). */
const longestTextBytes = 65_279;

function readTxt(text: string): DnsData | Refusal {
  if (/^".*"$/s.test(text)) return refuse('has quotes around it', 'Write the text alone; where a format needs quotes, they are added.');
  // eslint-disable-next-line no-control-regex -- these are what is refused
  if (/[\u0000-\u001f\u007f]/.test(text)) return refuse('has a line break or another control character in it', 'A TXT record is one line of text.');
  if (Buffer.byteLength(text) > longestTextBytes) return refuse(`is too long: ${Buffer.byteLength(text)} bytes`, `At most ${longestTextBytes} bytes.`);
  return { type: 'TXT', text };
}

function readCaa(text: string): DnsData | Refusal {
  const [, flags = '', tag = '', quoted, plain = ''] = /^(\d{1,3})\s+([A-Za-z0-9]{1,15})\s+(?:"([^"\\]*)"|([^"\s\\]+))$/.exec(text) ?? [];
  const value = quoted ?? plain;
  if (flags === '' || Number(flags) > 255 || !/^[\x20-\x7e]*$/.test(value)) {
    return refuse('is not what a CAA record holds', 'Three parts, FLAGS TAG VALUE: `0 issue "letsencrypt.org"`.');
  }
  return { type: 'CAA', flags: Number(flags), tag: tag.toLowerCase(), value };
}

/** Judges a name of the DNS: what a host may be called, and besides labels that begin with `_`, and `*` as the first. */
export function judgeDnsName(name: string): Refusal | undefined {
  const plain = name.replace(/^\*\./, '').replace(/(^|\.)_(?=[a-z0-9])/g, '$1');
  return name.length > 253 ? judgeDomain(name) : judgeDomain(plain);
}

function refuse(message: string, remedy: string): Refusal {
  return { code: 'E_BAD_RECORD', message, remedy };
}
