import pLimit from 'p-limit';
import type { Context } from '../../context.ts';
import { isPhysical, networkInterfaces, type NetworkInterface } from '../../host/network/interfaces.ts';
import { askMulticastDns } from '../../host/network/multicast-dns.ts';
import { readNeighbours } from '../../host/network/neighbours.ts';
import { readSshIdentification } from '../../host/network/ssh-identification.ts';
import { isOnLink, withoutScope } from '../../host/network/subnet.ts';
import { touchAddresses } from '../../host/network/touch.ts';
import { wait } from '../../host/network/wait.ts';
import type { Host } from '../../site/model.ts';
import { runTasks, type Task } from '../../tasks.ts';
import { noInterface, noNetwork } from './errors.ts';
import { mdnsFollowUps, mdnsQuestions, mdnsSightings } from './mdns-sightings.ts';
import { mergeSightings, type SeenHost } from './merge-sightings.ts';
import { planProbe, type ProbeMode } from './plan-probe.ts';
import type { Means, Sighting } from './sighting.ts';

export interface DiscoverOptions {
  readonly interfaces: readonly NetworkInterface[];
  /** Hosts of the site, to be recognised. */
  readonly site: readonly Host[];
  /** Names to ask for besides those of services: `chat.local`. */
  readonly names: readonly string[];
  /** How long answers of multicast DNS are waited for. */
  readonly listenMs: number;
  readonly probe: ProbeMode;
  /** Ask the SSH servers of all neighbours, not only of those that are ours or offer a service. */
  readonly all: boolean;
}

export interface DiscoveredHost extends SeenHost {
  /** What its SSH server calls itself; absent where none answered. */
  readonly ssh?: string;
  /** Its name in the site file. */
  readonly site?: string;
  /** A host that prose-ship is for: a Raspberry Pi, one that runs it, or one of the site. */
  readonly isOurs: boolean;
  /** The command that is due. */
  readonly next?: string;
}

/** The kernel asks a neighbour up to three times, a second apart; most answer in milliseconds. */
const settleMs = 1_200;
const settleKnownMs = 200;
const sshTimeoutMs = 2_000;
const sshConcurrency = 16;
/** Addresses of one host whose SSH server is asked. */
const sshAddresses = 2;

/**
 * The interfaces to look on: the named one, else all that are no container's or tunnel's.
 * @throws ShipError E_BAD_INTERFACE (exit status 2), E_NO_NETWORK (exit status 3)
 */
export function chooseInterfaces(named: string | undefined, all: readonly NetworkInterface[] = networkInterfaces()): readonly NetworkInterface[] {
  if (named === undefined) {
    const physical = all.filter(isPhysical);
    if (physical.length === 0) throw noNetwork(all);
    return physical;
  }
  const found = all.filter(({ name }) => name === named);
  if (found.length === 0) throw noInterface(named, all);
  return found;
}

/**
 * Looks for hosts on the local network: the kernel's table of neighbours, multicast DNS, then, where that shows none that
 * is ours, one packet to every address of the interfaces' own networks. At last their SSH servers are asked.
 * @throws ShipError E_COMMAND_NOT_FOUND, E_COMMAND_FAILED, E_INTERRUPTED
 */
export async function discover(context: Context, options: DiscoverOptions): Promise<readonly DiscoveredHost[]> {
  const { interfaces, site, listenMs } = options;
  const sightings: Sighting[] = [];
  const seen = () => mergeSightings(sightings).map((host) => ({ host, site: siteHostOf(host, site) }));
  const isOurs = ({ host, site: known }: ReturnType<typeof seen>[number]) => host.isRaspberryPi || host.runsProseShip || known !== undefined;
  const addNeighbours = async (means: Means, keep: (address: string) => boolean) => {
    sightings.push(...(await neighbourSightings(context, interfaces, means)).filter(({ addresses: [address = ''] }) => keep(address)));
  };
  const known = () => new Set(sightings.flatMap(({ addresses }) => addresses));
  const plan = planProbe(interfaces, options.probe);
  const hosts: DiscoveredHost[] = [];
  const tasks: Task[] = [
    {
      id: 'neighbours',
      title: 'Table of neighbours',
      run: async (report) => {
        await addNeighbours('neighbour table', () => true);
        report.detail(count(sightings.length, 'address', 'addresses'));
      },
    },
    {
      id: 'mdns',
      title: `Multicast DNS on ${interfaces.map(({ name }) => name).join(', ')}`,
      run: async (report) => {
        const listening = { questions: mdnsQuestions(options.names), listenMs, followUp: mdnsFollowUps };
        const answers = await Promise.all(interfaces.map((one) => askMulticastDns(context, one, listening)));
        const told = mdnsSightings(answers.flat(), interfaces);
        sightings.push(...told);
        report.detail(count(told.length, 'answer', 'answers'));
        const addresses = told.flatMap((sighting) => sighting.addresses);
        await Promise.all(interfaces.map((one) => touchAddresses(context, one, addresses)));
        if (addresses.length > 0) await wait(context, settleKnownMs);
        await addNeighbours('mDNS', (address) => addresses.includes(address)); // tells their MAC addresses
      },
    },
    {
      id: 'probe',
      title: 'Ask every address of the local network',
      skip: () => {
        if (options.probe === 'auto' && seen().some(isOurs)) return 'not needed';
        return plan.targets.length === 0 ? plan.skipped.map(({ network, reason }) => `${network}: ${reason}`).join('; ') || 'no IPv4 network' : undefined;
      },
      run: async (report) => {
        for (const { network, reason } of plan.skipped) report.log(`${network} is not probed: it ${reason}`);
        const before = known();
        let touched = 0;
        for (const { interface: on, network, addresses } of plan.targets) {
          report.log(`${network}: ${addresses.length} addresses`);
          touched += await touchAddresses(context, on, addresses);
        }
        await wait(context, settleMs);
        await addNeighbours('probe', (address) => !before.has(address));
        report.detail(`${count(known().size - before.size, 'neighbour', 'neighbours')} more of ${touched} addresses`);
      },
    },
    {
      id: 'ssh',
      title: 'SSH servers',
      run: async (report) => {
        const limit = pLimit(sshConcurrency);
        const visit = async (one: ReturnType<typeof seen>[number]): Promise<DiscoveredHost> => {
          const isAsked = options.all || isOurs(one) || one.host.services.length > 0;
          return isAsked ? askSsh(context, one.host, one.site, isOurs(one)) : { ...one.host, isOurs: false };
        };
        hosts.push(...(await Promise.all(seen().map((one) => limit(() => visit(one))))));
        report.detail(`${hosts.filter(({ ssh }) => ssh !== undefined).length} of ${count(hosts.length, 'host', 'hosts')} answered`);
      },
    },
  ];
  await runTasks(context, tasks);
  return hosts;
}

async function neighbourSightings(context: Context, interfaces: readonly NetworkInterface[], means: Means): Promise<readonly Sighting[]> {
  return (await readNeighbours(context)).flatMap(({ address, mac, interface: on }) => {
    const networkInterface = interfaces.find(({ name }) => name === on);
    return networkInterface && isOnLink(networkInterface, address) ? [{ interface: on, addresses: [address], means, mac }] : [];
  });
}

function siteHostOf({ names, addresses }: SeenHost, site: readonly Host[]): Host | undefined {
  const own = new Set([...names, ...addresses, ...addresses.map(withoutScope)]);
  return site.find(({ address }) => own.has(address.toLowerCase().replace(/\.$/, '')));
}

async function askSsh(context: Context, host: SeenHost, known: Host | undefined, isOurs: boolean): Promise<DiscoveredHost> {
  for (const address of host.addresses.slice(0, sshAddresses)) {
    const ssh = await readSshIdentification(context, address, known?.port ?? 22, sshTimeoutMs);
    if (ssh === undefined) continue;
    // Raspberry Pi OS for 32 bits calls itself so, whatever network adapter is plugged in.
    const isRaspberryPi = host.isRaspberryPi || /\bRaspbian\b/.test(ssh);
    const found = { ...host, isRaspberryPi, isOurs: isOurs || isRaspberryPi, ssh, ...(known ? { site: known.name } : {}) };
    return { ...found, next: nextCommand(found, address) };
  }
  return { ...host, isOurs, ...(known ? { site: known.name } : {}) };
}

/** What to type next. Addresses only: what a neighbour calls itself has no place in a command. */
export function nextCommand({ site, runsProseShip }: Pick<DiscoveredHost, 'site' | 'runsProseShip'>, address: string): string {
  if (site !== undefined) return `prose-ship status ${site}`;
  const login = address.includes(':') ? `'pi@[${address}]'` : `pi@${address}`;
  return `prose-ship ${runsProseShip ? 'status' : 'provision'} ${login}`;
}

function count(number: number, one: string, several: string): string {
  return `${number} ${number === 1 ? one : several}`;
}
