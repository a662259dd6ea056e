import type { NetworkInterface } from '../../host/network/interfaces.ts';
import { isPrivate4, neighbourAddresses } from '../../host/network/subnet.ts';

export const probeModes = ['auto', 'always', 'never'] as const;
export type ProbeMode = (typeof probeModes)[number];

/** The largest network that is asked address by address: 1022 of them, five seconds. */
const widestPrefixLength = 22;

export interface ProbePlan {
  readonly targets: readonly { readonly interface: NetworkInterface; readonly network: string; readonly addresses: readonly string[] }[];
  /** Networks that are not probed, with the reason. */
  readonly skipped: readonly { readonly network: string; readonly reason: string }[];
}

/** Which addresses are touched: those of the interfaces' own IPv4 networks, where they are few and, unless `always`, private. */
export function planProbe(interfaces: readonly NetworkInterface[], mode: ProbeMode): ProbePlan {
  const targets: ProbePlan['targets'][number][] = [];
  const skipped: ProbePlan['skipped'][number][] = [];
  for (const networkInterface of interfaces) {
    for (const { address, prefixLength, family } of networkInterface.networks) {
      if (family !== 4) continue; // 2^64 addresses; IPv6 hosts answer to mDNS
      const network = `${address}/${prefixLength} (${networkInterface.name})`;
      if (mode === 'never') skipped.push({ network, reason: '--probe never' });
      else if (prefixLength < widestPrefixLength) skipped.push({ network, reason: `is larger than a /${widestPrefixLength}` });
      else if (mode !== 'always' && !isPrivate4(address)) skipped.push({ network, reason: 'is not a private network' });
      else targets.push({ interface: networkInterface, network, addresses: neighbourAddresses({ address, prefixLength, family }) });
    }
  }
  return Object.freeze({ targets, skipped });
}
