import { ExitStatus, ShipError } from '../../errors.ts';
import type { Device } from '../device.ts';

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Above what is registered for services, below where kernels take ports for outgoing connections (ip_local_port_range). */
export const usualRange: PortRange = { first: 20_000, last: 32_767 };

/** @throws ShipError E_BAD_RANGE */
export function parseRange(text: string): PortRange {
  const [, first, last] = /^(\d{4,5})-(\d{4,5})$/.exec(text)?.map(Number) ?? [];
  if (first !== undefined && last !== undefined && first >= 1024 && last <= 65_535 && first < last) return { first, last };
  throw new ShipError({
    code: 'E_BAD_RANGE',
    message: `'${text}' is not a range of ports`,
    remedy: 'It looks like 40000-50000, and lies between 1024 and 65535.',
    exitStatus: ExitStatus.usage,
  });
}

/**
 * Ports in a row at which nobody listens on the host. It remembers them: asked again, it gives the same, unless somebody else
 * has taken one meanwhile.
 * @throws ShipError E_NO_FREE_PORTS (exit status 3)
 */
export async function findFreePorts(device: Device, count: number, { first, last }: PortRange): Promise<readonly number[]> {
  const { exitCode, stdout } = await device.updater(['free-ports', String(count), String(first), String(last)], { expect: [3] });
  if (exitCode === 0) return stdout.trim().split('\n').map(Number);
  throw new ShipError({
    code: 'E_NO_FREE_PORTS',
    message: `${device.host.name} has no ${count} free ports in a row between ${first} and ${last}`,
    remedy: 'Name another range with --range FIRST-LAST.',
    exitStatus: ExitStatus.preflight,
  });
}
