import { randomInt } from 'node:crypto';
import { ExitStatus, ShipError } from '../../errors.ts';
import type { Context } from '../../context.ts';
import { run } from '../process.ts';

/** 198.18.0.0/16: half of the range kept for benchmarks (RFC 2544), which no real network uses. */
const subnets = 256;

/** Every IPv4 address in the output of `ip -brief -4 address`. */
export function parseAddresses(output: string): readonly string[] {
  return [...output.matchAll(/\b(\d+\.\d+\.\d+\.\d+)\/\d+/g)].flatMap(([, address]) => (address ? [address] : []));
}

/**
 * A gateway address with its prefix length, in a /24 that no device of this machine has: `198.18.7.1/24`.
 * @throws ShipError E_NO_SUBNET, and what `run` throws
 */
export async function freeSubnet(context: Context, first: number = randomInt(subnets)): Promise<string> {
  const { stdout } = await run(context, { program: 'ip', args: ['-brief', '-4', 'address'] });
  const used = new Set(parseAddresses(stdout).map((address) => address.slice(0, address.lastIndexOf('.'))));
  for (let step = 0; step < subnets; step += 1) {
    const prefix = `198.18.${(first + step) % subnets}`;
    if (!used.has(prefix)) return `${prefix}.1/24`;
  }
  throw new ShipError({
    code: 'E_NO_SUBNET',
    message: 'No free network for a private Docker engine in 198.18.0.0/16',
    remedy: 'Remove bridges that are not used any more (`ip -brief address`).',
    exitStatus: ExitStatus.preflight,
  });
}
