import { z } from 'zod';
import type { Context } from '../../context.ts';
import { type Command, run } from '../process.ts';

/** An entry of the kernel's table of neighbours (ARP and NDP) with a hardware address. */
export interface Neighbour {
  readonly address: string;
  /** Lower case, with colons, two digits each. */
  readonly mac: string;
  readonly interface: string;
}

/** The program that prints the table; iproute2 on Linux, BSD's arp elsewhere, which knows IPv4 only. */
export function neighbourCommand(platform: NodeJS.Platform): Command {
  return platform === 'linux' ? { program: 'ip', args: ['-json', 'neighbour', 'show'] } : { program: 'arp', args: ['-an'] };
}

/** @throws ShipError E_COMMAND_NOT_FOUND, E_COMMAND_FAILED, E_INTERRUPTED */
export async function readNeighbours(context: Context, platform: NodeJS.Platform = process.platform): Promise<readonly Neighbour[]> {
  const { stdout } = await run(context, neighbourCommand(platform), { timeoutMs: 10_000 });
  return platform === 'linux' ? parseIpNeighbours(stdout) : parseArp(stdout);
}

const ipEntry = z.object({ dst: z.string(), dev: z.string(), lladdr: z.string().optional(), state: z.array(z.string()).default([]) });

/** `ip -json neighbour show` (ip-neighbour(8)). Entries that nobody answered for, or that are no device's, are left out. */
export function parseIpNeighbours(output: string): readonly Neighbour[] {
  return z
    .array(ipEntry)
    .parse(JSON.parse(output.trim() || '[]'))
    .flatMap(({ dst, dev, lladdr, state }) => {
      const mac = normaliseMac(lladdr ?? '');
      if (!mac || state.some((word) => ['FAILED', 'INCOMPLETE', 'NOARP'].includes(word))) return [];
      return [{ address: dst, mac, interface: dev }];
    });
}

/** `arp -an` of macOS and the BSDs: `? (192.168.1.20) at b8:27:eb:0:1:2 on en0 ifscope [ethernet]`. */
export function parseArp(output: string): readonly Neighbour[] {
  return output.split('\n').flatMap((line) => {
    const [, address, found, name] = /\(([\d.]+)\) at ([0-9a-f:]+) on (\S+)/i.exec(line) ?? [];
    const mac = normaliseMac(found ?? '');
    return address && mac && name ? [{ address, mac, interface: name }] : [];
  });
}

/** Two lower-case digits for each of the six bytes; undefined for what is no single device's address. */
export function normaliseMac(text: string): string | undefined {
  const bytes = text.toLowerCase().split(/[:-]/);
  if (bytes.length !== 6 || !bytes.every((byte) => /^[0-9a-f]{1,2}$/.test(byte))) return undefined;
  const mac = bytes.map((byte) => byte.padStart(2, '0')).join(':');
  const isGroup = (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1; // broadcast and multicast
  return isGroup || mac === '00:00:00:00:00:00' ? undefined : mac;
}
