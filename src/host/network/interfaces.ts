import os from 'node:os';
import type { Network } from './subnet.ts';

/** A network interface that is up and has an address. */
export interface NetworkInterface {
  readonly name: string;
  /** Lower case, with colons. */
  readonly mac: string;
  readonly networks: readonly Network[];
}

/** What `os.networkInterfaces()` gives. */
export type SystemInterfaces = NodeJS.Dict<readonly os.NetworkInterfaceInfo[]>;

/** The interfaces of this machine, without the loopback. */
export function networkInterfaces(): readonly NetworkInterface[] {
  return describeInterfaces(os.networkInterfaces());
}

/** Leaves out what has no neighbours: loopback, and addresses whose network is they themselves. */
export function describeInterfaces(system: SystemInterfaces): readonly NetworkInterface[] {
  return Object.entries(system).flatMap(([name, addresses = []]) => {
    const networks = addresses
      .filter(({ internal }) => !internal)
      .map(({ address, family, cidr }): Network => ({ address, family: family === 'IPv4' ? 4 : 6, prefixLength: Number(cidr?.split('/')[1]) }))
      .filter(({ family, prefixLength }) => prefixLength < (family === 4 ? 32 : 128));
    return networks.length > 0 ? [{ name, mac: (addresses[0]?.mac ?? '').toLowerCase(), networks }] : [];
  });
}

/** Bridges and ends of containers and virtual machines, tunnels, and the links that Apple's devices make among themselves. */
const virtualNames = /^(docker|br-[0-9a-f]{12}$|veth|virbr|vnet|lxc|lxd|podman|cni|tun|tap|utun|wg|tailscale|zt|ppp|awdl|llw|anpi|bridge\d)/;

/** Whether devices of flesh and bone may be found there; by the field's usual names, because no system tells. */
export function isPhysical({ name }: NetworkInterface): boolean {
  return !virtualNames.test(name);
}
