import type { NetworkInterface } from '../../host/network/interfaces.ts';
import type { MdnsAnswer, MdnsQuestion, MdnsRecord } from '../../host/network/multicast-dns.ts';
import { normaliseMac } from '../../host/network/neighbours.ts';
import { isOnLink } from '../../host/network/subnet.ts';
import type { Sighting } from './sighting.ts';

/** What a host that runs prose-ship calls itself (RFC 6763); src/device/os/avahi.service says it. */
export const proseShipService = '_prose-ship._tcp.local';
/** Avahi on Raspberry Pi OS publishes the first two only where it is told to; the names always. */
const services = [proseShipService, '_workstation._tcp.local', '_ssh._tcp.local', '_sftp-ssh._tcp.local'];
/** The name of a fresh Raspberry Pi OS. */
const defaultName = 'raspberrypi.local';

/** What to ask: who offers these services, and who has the name of a fresh Pi or one of these. */
export function mdnsQuestions(names: readonly string[]): readonly MdnsQuestion[] {
  const local = names.map((name) => name.toLowerCase().replace(/\.$/, '')).filter((name) => name.endsWith('.local'));
  return [
    ...services.map((name): MdnsQuestion => ({ type: 'PTR', name })),
    ...[...new Set([defaultName, ...local])].flatMap(addressQuestions),
  ];
}

/** What the answers leave open: where a service is, and which addresses its host has. */
export function mdnsFollowUps(answers: readonly MdnsAnswer[]): readonly MdnsQuestion[] {
  const records = answers.flatMap(({ records }) => records);
  const known = new Set(records.map(({ type, name }) => `${type} ${name}`));
  return records.flatMap((record): readonly MdnsQuestion[] => {
    if (record.type === 'PTR' && services.includes(record.name) && !known.has(`SRV ${record.target}`)) return [{ type: 'SRV', name: record.target }];
    if (record.type === 'SRV' && !known.has(`A ${record.target}`) && !known.has(`AAAA ${record.target}`)) return addressQuestions(record.target);
    return [];
  });
}

function addressQuestions(name: string): MdnsQuestion[] {
  return [{ type: 'A', name }, { type: 'AAAA', name }];
}

/**
 * One sighting for each name that a neighbour answers for. Two neighbours with one name stay two. Addresses that are not
 * on the link do not count: a host also tells those of its bridges.
 */
export function mdnsSightings(answers: readonly MdnsAnswer[], interfaces: readonly NetworkInterface[]): readonly Sighting[] {
  const bySource = Map.groupBy(answers, (answer) => `${answer.interface} ${answer.source}`);
  return [...bySource.values()].flatMap((said) => {
    const [first] = said;
    const networkInterface = interfaces.find(({ name }) => name === first?.interface);
    return first && networkInterface ? sightingsOf(first.source, said.flatMap(({ records }) => records), networkInterface) : [];
  });
}

function sightingsOf(source: string, records: readonly MdnsRecord[], networkInterface: NetworkInterface): readonly Sighting[] {
  const addressed = records.flatMap((record) => (record.type === 'A' || record.type === 'AAAA' ? [record] : []));
  const located = records.flatMap((record) => (record.type === 'SRV' ? [record] : []));
  const pointers = records.flatMap((record) => (record.type === 'PTR' && services.includes(record.name) ? [record] : []));
  const names = new Set([...addressed.map(({ name }) => name), ...located.map(({ target }) => target)]);
  return [...names].flatMap((name): readonly Sighting[] => {
    const told = addressed.filter((record) => record.name === name).map(({ address }) => address);
    // Who speaks of one name alone speaks of itself; of several, it passes on what others said.
    const addresses = [...new Set([...told, ...(names.size === 1 ? [source] : [])])].filter((address) => isOnLink(networkInterface, address));
    if (addresses.length === 0) return [];
    const instances = located.filter(({ target }) => target === name).map((record) => record.name);
    const offered = pointers.filter(({ target }) => instances.includes(target));
    const mac = offered.map(({ target }) => macInName(target)).find((found) => found !== undefined);
    return [
      {
        interface: networkInterface.name,
        addresses,
        means: 'mDNS',
        name,
        ...(mac === undefined ? {} : { mac }),
        services: [...new Set(offered.map((pointer) => pointer.name))],
      },
    ];
  });
}

/** Avahi calls a workstation `raspberrypi [b8:27:eb:12:34:56]`. */
function macInName(name: string): string | undefined {
  return normaliseMac(/\[([0-9a-f:]{17})\]/.exec(name)?.[1] ?? '');
}
