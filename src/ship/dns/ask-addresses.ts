import { formatDnsData } from '../../host/dns/data.ts';
import type { DnsAnswer, DnsResolver } from '../../host/dns/resolver.ts';

export interface AddressAnswer {
  readonly answer: DnsAnswer;
  /** The names that the question was led to, in order. */
  readonly aliases: readonly string[];
}

/** Resolvers have such a limit, too; a longer chain is a mistake. */
const longestChain = 8;

/**
 * Addresses of a name. A name server that is asked for its own zone only does not follow an alias out of it, so that is done
 * here, with the same server.
 * @throws ShipError as of `DnsResolver.ask`
 */
export async function askAddresses(resolver: DnsResolver, name: string, type: 'A' | 'AAAA'): Promise<AddressAnswer> {
  const aliases: string[] = [];
  for (;;) {
    const at = aliases.at(-1) ?? name;
    const answer = await resolver.ask(at, type);
    if (answer.kind !== 'none' || aliases.length >= longestChain) return { answer, aliases };
    const target = await aliasOf(resolver, at);
    if (target === undefined || target === name || aliases.includes(target)) return { answer, aliases };
    aliases.push(target);
  }
}

/** What an alias leads to; undefined where it is none. */
export async function aliasOf(resolver: DnsResolver, name: string): Promise<string | undefined> {
  const answer = await resolver.ask(name, 'CNAME');
  const [record] = answer.kind === 'records' ? answer.records : [];
  return record?.type === 'CNAME' ? record.target : undefined;
}

/** The records as in a zone file, sorted; none where the answer is another. */
export function textsOf(answer: DnsAnswer): readonly string[] {
  return answer.kind === 'records' ? answer.records.map(formatDnsData).sort() : [];
}
