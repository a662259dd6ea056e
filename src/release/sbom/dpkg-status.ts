/** An installed Debian package, as dpkg knows it. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** The source package and its version, where they are not the binary package's own. */
  readonly source?: { readonly name: string; readonly version: string };
  /** An SPDX expression; dpkg does not know it. */
  readonly license?: string;
}

/**
 * The installed packages of `/var/lib/dpkg/status` (deb822 stanzas, dpkg-query(1) and deb-src-control(5)), sorted by name
 * and architecture. What was removed and left its configuration behind is not installed.
 */
export function parseDpkgStatus(text: string): DebianPackage[] {
  return text
    .split(/\n(?:[ \t]*\n)+/)
    .map(parseStanza)
    .filter((one) => one !== undefined)
    .sort((a, b) => order(a.name, b.name) || order(a.architecture, b.architecture));
}

/** dpkg(1), Package states: what waits for triggers is unpacked and configured. */
const installedStates = ['installed', 'triggers-awaited', 'triggers-pending'];

function parseStanza(stanza: string): DebianPackage | undefined {
  const fields = new Map<string, string>();
  for (const line of stanza.split('\n')) {
    // A line that begins with white space goes on with the field above; no field of these does.
    const match = /^([A-Za-z][\w-]*):[ \t]*(.*)$/.exec(line);
    if (match?.[1] !== undefined) fields.set(match[1].toLowerCase(), (match[2] ?? '').trim());
  }
  const name = fields.get('package');
  const version = fields.get('version');
  const architecture = fields.get('architecture');
  const state = fields.get('status')?.split(/\s+/)[2] ?? 'installed';
  if (!name || !version || !architecture || !installedStates.includes(state)) return undefined;
  const source = parseSource(fields.get('source'), version);
  const ownSource = !source || (source.name === name && source.version === version);
  return { name, version, architecture, ...(ownSource ? {} : { source }) };
}

/** `glibc` or `glibc (2.41-12)`; without a version it is the binary package's. */
function parseSource(text: string | undefined, version: string): DebianPackage['source'] {
  const match = /^(\S+)(?:\s+\(([^)]+)\))?$/.exec(text ?? '');
  return match?.[1] ? { name: match[1], version: match[2] ?? version } : undefined;
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
