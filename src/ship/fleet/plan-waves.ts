import { ExitStatus, ShipError } from '../../errors.ts';

/** Hosts that are worked on at the same time. */
export type Wave = readonly string[];

export interface WaveOptions {
  /** Hosts that come before all others. */
  readonly canaries?: readonly string[];
  /** How many hosts at once; default 1. */
  readonly waveSize?: number;
}

/**
 * Who comes when: the canaries in waves of their own, then the others in the order given. A host that is named twice
 * counts once.
 * @throws ShipError E_BAD_CANARY when a canary is none of the hosts, E_BAD_WAVE; exit status 2
 */
export function planWaves(hosts: readonly string[], { canaries = [], waveSize = 1 }: WaveOptions = {}): readonly Wave[] {
  if (!Number.isSafeInteger(waveSize) || waveSize < 1) {
    throw new ShipError({
      code: 'E_BAD_WAVE',
      message: `A wave of '${waveSize}' hosts cannot be`,
      remedy: 'It is the number of hosts that are updated at once: 1 or more.',
      exitStatus: ExitStatus.usage,
    });
  }
  const unknown = canaries.find((canary) => !hosts.includes(canary));
  if (unknown !== undefined) {
    throw new ShipError({
      code: 'E_BAD_CANARY',
      message: `The canary '${unknown}' is none of the hosts of this update`,
      remedy: `It is one of ${hosts.join(', ')}.`,
      exitStatus: ExitStatus.usage,
    });
  }
  const first = new Set(canaries);
  const others = new Set(hosts.filter((host) => !first.has(host)));
  return Object.freeze([...chunk([...first], waveSize), ...chunk([...others], waveSize)]);
}

function chunk(hosts: readonly string[], size: number): Wave[] {
  const waves: Wave[] = [];
  for (let at = 0; at < hosts.length; at += size) waves.push(Object.freeze(hosts.slice(at, at + size)));
  return waves;
}
