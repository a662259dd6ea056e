import pLimit from 'p-limit';
import type { DnsAnswer, DnsResolver } from '../../host/dns/resolver.ts';
import type { DnsRecord } from '../../site/dns/record.ts';
import { aliasOf, askAddresses, textsOf } from './ask-addresses.ts';
import { recordSets, type RecordSet } from './record-sets.ts';
import { unaddressedTargets, type DnsWarning } from './warnings.ts';

/** What came of one question. */
export interface DnsFinding {
  readonly name: string;
  readonly type: RecordSet['type'];
  /** As in a zone file. */
  readonly wanted: readonly string[];
  /** The same, or what is there instead. */
  readonly found: readonly string[];
  readonly state: 'ok' | 'missing' | 'mismatch' | 'failed';
  /** How it was found, or why nothing was. */
  readonly note?: string;
}

export interface DnsReport {
  readonly findings: readonly DnsFinding[];
  readonly warnings: readonly DnsWarning[];
}

/** Questions on their way at once: a home router's resolver is easily swamped. */
const questionsAtOnce = 4;

/**
 * Compares the wanted records with what a DNS server says. The time to live is not compared: caches count it down.
 * @throws ShipError E_DNS_UNREACHABLE (exit status 3), E_INTERRUPTED
 */
export async function checkDns(records: readonly DnsRecord[], resolver: DnsResolver): Promise<DnsReport> {
  const limit = pLimit(questionsAtOnce);
  const sets = recordSets(records);
  try {
    const found = await Promise.all(sets.map((set) => limit(() => checkSet(resolver, set))));
    const targets = await Promise.all(unaddressedTargets(records).map((target) => limit(() => checkTarget(resolver, target))));
    const others = await Promise.all(otherFamilies(sets).map(([name, type]) => limit(() => otherAddresses(resolver, name, type))));
    return { findings: [...found, ...targets.flat()], warnings: others.flat() };
  } finally {
    limit.clearQueue();
  }
}

async function checkSet(resolver: DnsResolver, set: RecordSet): Promise<DnsFinding> {
  const wanted = set.records.map(({ text }) => text).sort();
  const { answer, note } = await askFor(resolver, set, wanted);
  const found = textsOf(answer);
  const finding = { name: set.name, type: set.type, wanted, found, ...(note === undefined ? {} : { note }) };
  if (answer.kind === 'failure') return { ...finding, state: 'failed', note: [note, `the server answers ${answer.status}`].filter(Boolean).join(', ') };
  if (answer.kind === 'none') return { ...finding, state: note === undefined ? 'missing' : 'mismatch', note: note ?? (answer.nameExists ? 'the name has other records only' : 'the name does not exist') };
  return { ...finding, state: suffices(set.type, wanted, found) ? 'ok' : 'mismatch' };
}

/** TXT and CAA records of others may stand beside ours; of all other types every one leads somewhere, so there must be no more. */
function suffices(type: RecordSet['type'], wanted: readonly string[], found: readonly string[]): boolean {
  const isThere = wanted.every((text) => found.includes(text));
  return isThere && (type === 'TXT' || type === 'CAA' || found.length === wanted.length);
}

async function askFor(resolver: DnsResolver, { name, type }: RecordSet, wanted: readonly string[]): Promise<{ answer: DnsAnswer; note?: string }> {
  if (type === 'CNAME') return askAlias(resolver, name, wanted[0] ?? '');
  if (type !== 'A' && type !== 'AAAA') return { answer: await resolver.ask(name, type) };
  const { answer, aliases } = await askAddresses(resolver, name, type);
  const followed = aliases.length > 0 || answer.kind !== 'records' || suffices(type, wanted, textsOf(answer)) ? aliases : [await aliasOf(resolver, name)].filter((alias) => alias !== undefined);
  return { answer, ...(followed.length > 0 ? { note: `an alias of ${followed.join(', then ')}` } : {}) };
}

/** Providers without aliases at some names give the addresses of the target instead, which does as well. */
async function askAlias(resolver: DnsResolver, name: string, wanted: string): Promise<{ answer: DnsAnswer; note?: string }> {
  const answer = await resolver.ask(name, 'CNAME');
  if (answer.kind !== 'none' || !answer.nameExists) return { answer };
  const target = wanted.replace(/\.$/, '');
  const own: string[] = [];
  const targets: string[] = [];
  for (const type of ['A', 'AAAA'] as const) {
    own.push(...textsOf((await askAddresses(resolver, name, type)).answer));
    targets.push(...textsOf((await askAddresses(resolver, target, type)).answer));
  }
  if (own.length === 0) return { answer };
  const isSame = own.join(' ') === targets.join(' ');
  return isSame ? { answer: { kind: 'records', records: [{ type: 'CNAME', target }] }, note: `no alias, but the same addresses: ${own.join(', ')}` } : { answer, note: `no alias, but ${own.join(', ')}` };
}

/** A host that records lead to, without a record of ours for it: any address will do. */
async function checkTarget(resolver: DnsResolver, target: string): Promise<DnsFinding[]> {
  const answers = [];
  for (const type of ['A', 'AAAA'] as const) {
    const { answer } = await askAddresses(resolver, target, type);
    if (answer.kind === 'records') return [];
    answers.push(answer);
  }
  const failure = answers.find((answer) => answer.kind === 'failure');
  const note = failure ? `the server answers ${failure.status}` : 'records of the site point to it';
  return [{ name: target, type: 'A', wanted: ['any address'], found: [], state: failure ? 'failed' : 'missing', note }];
}

/** Names with wanted addresses of one family only, and the other one. */
function otherFamilies(sets: readonly RecordSet[]): readonly (readonly [string, 'A' | 'AAAA'])[] {
  const has = (name: string, type: string) => sets.some((set) => set.name === name && set.type === type);
  return sets.flatMap(({ name, type }) => {
    const other = type === 'A' ? 'AAAA' : 'A';
    return (type === 'A' || type === 'AAAA') && !has(name, other) ? [[name, other] as const] : [];
  });
}

async function otherAddresses(resolver: DnsResolver, name: string, type: 'A' | 'AAAA'): Promise<DnsWarning[]> {
  const found = textsOf((await askAddresses(resolver, name, type)).answer);
  if (found.length === 0) return [];
  return [{
    code: 'E_DNS_EXTRA_ADDRESS',
    message: `${name} also has ${type} ${found.join(', ')}, which the site does not name`,
    remedy: `Whoever has ${type === 'AAAA' ? 'IPv6' : 'IPv4'} goes there: remove the record, or name the address in the site.`,
  }];
}
