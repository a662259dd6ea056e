import dgram from 'node:dgram';
import type { RemoteInfo } from 'node:dgram';
import createMulticastDns, { type MulticastDNS, type ResponsePacket } from 'multicast-dns';
import type { Context } from '../../context.ts';
import type { NetworkInterface } from './interfaces.ts';
import { isLinkLocal6, isOnLink } from './subnet.ts';
import { wait } from './wait.ts';

export interface MdnsQuestion {
  readonly name: string;
  readonly type: 'PTR' | 'SRV' | 'A' | 'AAAA';
}

/** The records that are of use here; names in lower case, without the last dot. */
export type MdnsRecord =
  | { readonly type: 'PTR'; readonly name: string; readonly target: string }
  | { readonly type: 'SRV'; readonly name: string; readonly target: string }
  | { readonly type: 'A' | 'AAAA'; readonly name: string; readonly address: string };

/** One packet of a neighbour. */
export interface MdnsAnswer {
  readonly interface: string;
  /** Who sent it: an address of that link. */
  readonly source: string;
  readonly records: readonly MdnsRecord[];
}

export interface MdnsListening {
  readonly questions: readonly MdnsQuestion[];
  readonly listenMs: number;
  /** What else to ask, when these answers came; asked once each. */
  readonly followUp: (answers: readonly MdnsAnswer[]) => readonly MdnsQuestion[];
}

const mdnsPort = 5353;
const group6 = 'ff02::fb';
/** RFC 6762, 5.2: the same question not twice within a second, then in growing intervals. */
const repeatAfterMs = [1_000, 2_000, 4_000, 8_000];
/** What a link full of talk, or a neighbour with bad intentions, may cost. */
const mostAnswers = 2_000;
const mostRecords = 200;
const mostFollowUps = 256;
/** Questions of one packet: it stays below 1500 bytes. */
const questionsAtOnce = 20;

/**
 * Asks the neighbours of one interface by multicast DNS (RFC 6762), over IPv4 and IPv6, and listens. Packets that are
 * malformed, come from elsewhere than this link or from another port are ignored.
 * @throws ShipError E_INTERRUPTED
 */
export async function askMulticastDns(context: Context, networkInterface: NetworkInterface, listening: MdnsListening): Promise<readonly MdnsAnswer[]> {
  const answers: MdnsAnswer[] = [];
  const asked = new Set(listening.questions.map(keyOf));
  const open: MulticastDNS[] = [];
  const ask = (questions: readonly MdnsQuestion[]) => {
    for (let at = 0; at < questions.length; at += questionsAtOnce) {
      for (const socket of open) socket.query(questions.slice(at, at + questionsAtOnce).map((question) => ({ ...question })), () => {});
    }
  };
  const take = (packet: ResponsePacket, from: RemoteInfo) => {
    if (from.port !== mdnsPort || answers.length >= mostAnswers || !isFromLink(networkInterface, from.address)) return;
    const records = readRecords(packet);
    if (records.length === 0) return;
    answers.push({ interface: networkInterface.name, source: from.address.split('%')[0] ?? '', records });
    const more = listening.followUp(answers).filter((question) => !asked.has(keyOf(question)) && asked.size < mostFollowUps);
    for (const question of more) asked.add(keyOf(question));
    ask(more);
  };
  const settings = [...ipv4Settings(networkInterface), ...ipv6Settings(networkInterface)];
  try {
    for (const options of settings) {
      const socket = createMulticastDns({ ...options, loopback: false });
      socket.on('warning', (error) => tell(context, networkInterface, error)); // malformed packets come here
      socket.on('response', take);
      if (await ready(socket)) open.push(socket);
      else tell(context, networkInterface, new Error(`port ${mdnsPort} cannot be opened`));
    }
    const endAt = performance.now() + listening.listenMs;
    for (const pauseMs of [...repeatAfterMs, Infinity]) {
      ask(listening.questions);
      const leftMs = endAt - performance.now();
      await wait(context, Math.max(0, Math.min(pauseMs, leftMs)));
      if (pauseMs >= leftMs) break;
    }
    return answers;
  } finally {
    await Promise.all(open.map((socket) => new Promise<void>((resolve) => socket.destroy(() => resolve()))));
  }
}

/** All addresses are bound, because multicast packets are not addressed to ours; the group is joined on this interface alone. */
function ipv4Settings({ networks }: NetworkInterface): createMulticastDns.Options[] {
  const own = networks.find(({ family }) => family === 4);
  return own ? [{ type: 'udp4', interface: own.address, bind: '0.0.0.0' }] : [];
}

function ipv6Settings({ name, networks }: NetworkInterface): createMulticastDns.Options[] {
  if (!networks.some(({ family, address }) => family === 6 && isLinkLocal6(address))) return [];
  const scoped = `::%${name}`;
  const socket = dgram.createSocket({ type: 'udp6', reuseAddr: true, ipv6Only: true });
  return [{ type: 'udp6', ip: group6, interface: scoped, bind: '::', socket }];
}

async function ready(socket: MulticastDNS): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('ready', () => resolve(true));
    socket.on('error', () => resolve(false));
  });
}

/** A link-local sender must have come in here, not by another interface. */
function isFromLink(networkInterface: NetworkInterface, address: string): boolean {
  const [, scope] = address.split('%');
  return (scope === undefined || scope === networkInterface.name) && isOnLink(networkInterface, address);
}

function tell({ emit }: Context, { name }: NetworkInterface, error: Error): void {
  emit({ type: 'log', level: 'debug', message: `mDNS on ${name}: ${error.message}` });
}

function keyOf({ type, name }: MdnsQuestion): string {
  return `${type} ${name.toLowerCase()}`;
}

/** Answers and what came with them, checked, because the decoder gives whatever was in the packet. */
export function readRecords(packet: Partial<Pick<ResponsePacket, 'answers' | 'additionals'>>): readonly MdnsRecord[] {
  const records: MdnsRecord[] = [];
  for (const answer of [...(packet.answers ?? []), ...(packet.additionals ?? [])].slice(0, mostRecords)) {
    const name = nameOf(answer.name);
    if (answer.type === 'A' || answer.type === 'AAAA') records.push({ type: answer.type, name, address: answer.data.toLowerCase() });
    else if (answer.type === 'PTR') records.push({ type: 'PTR', name, target: nameOf(answer.data) });
    else if (answer.type === 'SRV') records.push({ type: 'SRV', name, target: nameOf(answer.data.target) });
  }
  return records;
}

/** Names are compared without case (RFC 6762, 16); a terminal must not see what a neighbour put between the letters. */
function nameOf(name: string): string {
  // eslint-disable-next-line no-control-regex -- these are what is taken out
  return name.toLowerCase().replace(/[\u0000-\u001f\u007f-\u009f]/g, '?').replace(/\.$/, '');
}
