/** What os-release(5) says of a system, as far as a bill of materials names it. */
export interface OsRelease {
  /** `debian`, `raspbian`. */
  readonly id: string;
  /** `13`; a rolling system has none. */
  readonly versionId?: string;
  /** `Debian GNU/Linux 13 (trixie)` */
  readonly prettyName?: string;
}

/** Reads `/usr/lib/os-release`; undefined where it names no system. */
export function parseOsRelease(text: string): OsRelease | undefined {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^([A-Z_0-9]+)=(?:"(.*)"|'(.*)'|(.*))$/.exec(line.trim());
    if (match?.[1]) values.set(match[1], (match[2] ?? match[3] ?? match[4] ?? '').replaceAll(/\\(["$`\\])/g, '$1'));
  }
  const id = values.get('ID');
  if (!id) return undefined;
  const versionId = values.get('VERSION_ID');
  const prettyName = values.get('PRETTY_NAME');
  return { id, ...(versionId ? { versionId } : {}), ...(prettyName ? { prettyName } : {}) };
}
