/** How something was learnt of a host. */
export type Means = 'mDNS' | 'neighbour table' | 'probe';

/** One thing that was learnt of a host; several sightings make a host (`mergeSightings`). */
export interface Sighting {
  readonly interface: string;
  /** IPv6 link-local addresses stand without their scope: it is the interface. */
  readonly addresses: readonly string[];
  readonly means: Means;
  readonly mac?: string;
  /** A name of multicast DNS: `raspberrypi.local`. */
  readonly name?: string;
  /** DNS-SD service types: `_ssh._tcp.local`. */
  readonly services?: readonly string[];
}
