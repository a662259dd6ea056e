import type { DnsData } from '../../host/dns/data.ts';

/** A record of a recipe with a site's values. */
export interface DnsRecord {
  /** Lower-case, in full, without the last dot. */
  readonly name: string;
  readonly ttlSeconds: number;
  readonly data: DnsData;
  /** The data as in a zone file. */
  readonly text: string;
  /** One line for whoever enters it. */
  readonly purpose?: string;
}
