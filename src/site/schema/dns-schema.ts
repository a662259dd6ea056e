import { z } from 'zod';
import { dnsTypes } from '../../host/dns/data.ts';
import { when } from './recipe/condition.ts';
import { text } from './words.ts';

/** RFC 2181, section 8. */
const longestTtlSeconds = 2 ** 31 - 1;

const oneLine = text((value) => (/^[^\r\n]+$/.test(value) ? undefined : { code: 'E_BAD_VALUE', message: 'is not one line of text', remedy: 'One short line: it becomes a comment.' }));

/** What a recipe needs in the DNS. */
export const dnsRecord = z
  .strictObject({
    name: z.string().min(1).describe('Name in full; a template: `_xmpp-client._tcp.{{ site.domain }}`.'),
    type: z.enum(dnsTypes).describe('Type of the record.'),
    value: z
      .union([z.string(), z.array(z.string()).min(1)])
      .describe('An address; a name; `PRIORITY WEIGHT PORT TARGET` of SRV; text without quotes of TXT; `FLAGS TAG VALUE` of CAA. A list is several records. A template; what it renders to nothing is left out.'),
    ttl: z.int().min(0).max(longestTtlSeconds).default(3600).describe('How long others may remember it, in seconds.'),
    when: when.optional(),
    purpose: oneLine.optional().describe('What it is for, for whoever enters it.'),
  })
  .describe('A DNS record, which `prose-ship dns` prints and checks.');
export type DnsRecordInput = z.output<typeof dnsRecord>;
