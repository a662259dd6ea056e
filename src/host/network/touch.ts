import dgram from 'node:dgram';
import type { Context } from '../../context.ts';
import type { NetworkInterface } from './interfaces.ts';
import { isOnLink, withoutScope } from './subnet.ts';
import { wait } from './wait.ts';

/** RFC 863; nearly nobody listens there, and who does throws the packet away. */
const discardPort = 9;
/** A burst every 50 ms: 200 addresses a second, about 10 KiB/s with the questions of ARP. */
export const touchesPerSecond = 200;
const burstMs = 50;
const burst = (touchesPerSecond * burstMs) / 1000;
/** A router, should one ever see such a packet, throws it away. */
const timeToLive = 1;

/**
 * Sends one empty UDP packet to each address, so that the kernel asks who has it and enters the answer into its table of
 * neighbours. Only neighbours of `networkInterface` are touched; other addresses are left out.
 * @param onProgress told the number of addresses so far
 * @throws ShipError E_INTERRUPTED
 */
export async function touchAddresses(
  context: Context,
  networkInterface: NetworkInterface,
  addresses: readonly string[],
  onProgress: (touched: number) => void = () => {},
): Promise<number> {
  const neighbours = addresses.filter((address) => isOnLink(networkInterface, address));
  const families = new Map<4 | 6, dgram.Socket>();
  try {
    for (const [at, address] of neighbours.entries()) {
      const family = address.includes(':') ? 6 : 4;
      const socket = families.get(family) ?? (await open(family));
      families.set(family, socket);
      const scope = family === 6 ? `%${networkInterface.name}` : '';
      // What cannot be sent (no route, no buffer) finds nobody: that is the answer.
      await new Promise<void>((resolve) => socket.send(Buffer.alloc(0), discardPort, `${withoutScope(address)}${scope}`, () => resolve()));
      if ((at + 1) % burst !== 0) continue;
      onProgress(at + 1);
      await wait(context, burstMs);
    }
  } finally {
    for (const socket of families.values()) socket.close();
  }
  onProgress(neighbours.length);
  return neighbours.length;
}

async function open(family: 4 | 6): Promise<dgram.Socket> {
  const socket = dgram.createSocket(family === 4 ? 'udp4' : 'udp6');
  socket.on('error', () => {}); // "port unreachable" comes back here
  await new Promise<void>((resolve) => socket.bind(0, resolve));
  socket.setTTL(timeToLive);
  return socket;
}
