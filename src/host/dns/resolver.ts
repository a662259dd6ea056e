import { lookup, Resolver } from 'node:dns/promises';
import net from 'node:net';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError, wrongUsage } from '../../errors.ts';
import { canonicalAddress } from '../address.ts';
import type { DnsData, DnsType } from './data.ts';

export type DnsAnswer =
  | { readonly kind: 'records'; readonly records: readonly DnsData[] }
  /** The server is sure that there is none; `nameExists` tells whether it has records of other types. */
  | { readonly kind: 'none'; readonly nameExists: boolean }
  /** The server answered, but not the question: SERVFAIL, REFUSED, ... (RFC 1035, 4.1.1). */
  | { readonly kind: 'failure'; readonly status: string };

/** Whom the questions go to. */
export interface DnsResolver extends Disposable {
  /** For people: `127.0.0.1:5300`, `the resolver of this machine (192.168.1.1)`. */
  readonly name: string;
  /**
   * Asks one question; aliases (CNAME) are followed as far as the server's answer goes.
   * @throws ShipError E_DNS_UNREACHABLE when nothing answers in time, E_INTERRUPTED
   */
  ask(name: string, type: DnsType): Promise<DnsAnswer>;
}

export interface DnsResolverOptions {
  /** `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT` or a name; default: the servers that this machine is set to ask. */
  readonly server?: string;
  /** For one attempt at one server. */
  readonly timeoutMs?: number;
}

/** A packet may get lost, so each server is asked twice. */
const attempts = 2;
const defaultTimeoutMs = 2_000;

/**
 * Asks the real DNS, past the hosts file and caches of this machine's programs.
 * @throws ShipError E_BAD_SERVER where `server` is no address and no name that has one, exit status 2
 */
export async function openResolver(context: Context, { server, timeoutMs = defaultTimeoutMs }: DnsResolverOptions = {}): Promise<DnsResolver> {
  const resolver = new Resolver({ timeout: timeoutMs, tries: attempts, maxTimeout: timeoutMs });
  if (server !== undefined) resolver.setServers([await serverAddress(server)]);
  const name = server ?? `the resolver of this machine (${resolver.getServers().join(', ')})`;
  const onAbort = () => resolver.cancel();
  context.signal.addEventListener('abort', onAbort);
  return {
    name,
    ask: async (question, type) => {
      context.signal.throwIfAborted();
      try {
        const records = await askFor[type](resolver, question);
        // An alias whose target the server does not know is an answer without records.
        return records.length > 0 ? { kind: 'records', records } : { kind: 'none', nameExists: true };
      } catch (error) {
        context.signal.throwIfAborted();
        return understand(error as NodeJS.ErrnoException, `${type} ${question}`, name);
      }
    },
    [Symbol.dispose]: () => {
      context.signal.removeEventListener('abort', onAbort);
      resolver.cancel();
    },
  };
}

const askFor: Readonly<Record<DnsType, (resolver: Resolver, name: string) => Promise<DnsData[]>>> = {
  A: async (resolver, name) => (await resolver.resolve4(name)).map((address) => ({ type: 'A', address })),
  AAAA: async (resolver, name) => (await resolver.resolve6(name)).map((address) => ({ type: 'AAAA', address: canonicalAddress(address, 6) ?? address })),
  CNAME: async (resolver, name) => (await resolver.resolveCname(name)).map((target) => ({ type: 'CNAME', target: plainName(target) })),
  SRV: async (resolver, name) =>
    (await resolver.resolveSrv(name)).map(({ priority, weight, port, name: target }) => ({ type: 'SRV', priority, weight, port, target: plainName(target) })),
  // The strings come with a character for each byte.
  TXT: async (resolver, name) => (await resolver.resolveTxt(name)).map((strings) => ({ type: 'TXT', text: Buffer.from(strings.join(''), 'latin1').toString() })),
  CAA: async (resolver, name) => (await resolver.resolveCaa(name)).map(readCaa),
};

/** Node gives `{critical: FLAGS, TAG: VALUE}`. */
function readCaa(record: object): DnsData {
  const { critical = 0, ...property } = record as Readonly<Record<string, string | number>>;
  const [tag = '', value = ''] = Object.entries(property).find(([key]) => key !== 'type') ?? [];
  return { type: 'CAA', flags: Number(critical), tag: tag.toLowerCase(), value: String(value) };
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

/** By the codes of c-ares, which Node passes on (nodejs.org, "DNS", error codes). */
function understand({ code = '', message }: NodeJS.ErrnoException, question: string, server: string): DnsAnswer {
  if (code === 'ENOTFOUND') return { kind: 'none', nameExists: false };
  if (code === 'ENODATA') return { kind: 'none', nameExists: true };
  const status = statusNames[code];
  if (status !== undefined) return { kind: 'failure', status };
  throw new ShipError({
    code: 'E_DNS_UNREACHABLE',
    message: `No answer to '${question}' from ${server}: ${reasons[code] ?? message}`,
    remedy: 'Look at the network here, or ask another server: --server ADDRESS.',
    exitStatus: ExitStatus.preflight,
  });
}

const statusNames: Readonly<Record<string, string>> = {
  EFORMERR: 'FORMERR',
  ESERVFAIL: 'SERVFAIL',
  ENOTIMP: 'NOTIMP',
  EREFUSED: 'REFUSED',
  EBADRESP: 'nothing that can be read',
};

const reasons: Readonly<Record<string, string>> = {
  ETIMEOUT: 'it took too long',
  ECONNREFUSED: 'nothing listens there',
};

/** What `setServers` takes. */
async function serverAddress(text: string): Promise<string> {
  const [, bracketed, inner, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = net.isIPv6(text) ? text : (bracketed ?? inner);
  const isPort = port === undefined || (Number(port) >= 1 && Number(port) <= 65_535);
  const address = host === undefined || !isPort ? undefined : await addressOf(host);
  if (address === undefined) throw wrongUsage(`'${text}' is no DNS server`, 'It looks like 9.9.9.9, 192.168.1.1:5300, [2620:fe::fe]:53 or ns1.example.net.', 'E_BAD_SERVER');
  return port === undefined ? address : `${net.isIPv6(address) ? `[${address}]` : address}:${port}`;
}

async function addressOf(host: string): Promise<string | undefined> {
  if (net.isIP(host) !== 0) return host;
  // What looks like an address, but is none, would be searched for.
  if (!/^(?=.*[a-z])[a-z0-9.-]+$/i.test(host)) return undefined;
  return (await lookup(host).catch(() => undefined))?.address;
}
