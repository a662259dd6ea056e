import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Distribution } from './machine.ts';

/** One archive that apt is configured to use (sources.list(5)). */
export interface AptSource {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** A keyring file; absent where none, or a key written out in place, is given. */
  readonly signedBy?: string;
  /** Whether a file of `newerSuiteFiles` adds it. */
  readonly isOurs?: boolean;
}

/** Files that make a newer release available without preferring it. */
export interface NewerSuiteFiles {
  readonly sourcesPath: string;
  readonly sources: string;
  readonly preferencesPath: string;
  readonly preferences: string;
}

const configuration = '/etc/apt';
const ourPrefix = 'prose-ship-';
const debianKeyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Reads the deb822 format (`.sources`): stanzas of fields; folded lines belong to the field above. */
export function parseDeb822Sources(text: string): readonly AptSource[] {
  const stanzas = text.replace(/^#.*\n?/gm, '').split(/\n\s*\n/);
  return stanzas.flatMap((stanza) => {
    const fields = new Map(
      [...stanza.matchAll(/^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)/gm)].map(([, key = '', value = '']) => [key.toLowerCase(), value.trim()]),
    );
    const words = (key: string): string[] => (fields.get(key) ?? '').split(/\s+/).filter(Boolean);
    const signedBy = words('signed-by');
    if (!words('types').includes('deb') || /^(no|false|0)$/i.test(fields.get('enabled') ?? 'yes')) return [];
    return words('uris').map((uri) => source(uri, words('suites'), words('components'), signedBy.length === 1 ? signedBy[0] : undefined));
  });
}

/** Reads the one-line format (`.list`): `deb [options] URI SUITE COMPONENT...`. */
export function parseOneLineSources(text: string): readonly AptSource[] {
  return [...text.matchAll(/^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)([^#\n]*)/gm)].map(([, options = '', uri = '', suite = '', rest = '']) =>
    source(uri, [suite], rest.split(/\s+/).filter(Boolean), /signed-by=(\S+)/i.exec(options)?.[1]),
  );
}

/** Every archive that this machine's apt is configured to use. */
export async function readAptSources(directory: string = configuration): Promise<readonly AptSource[]> {
  const parts = path.join(directory, 'sources.list.d');
  const names = (await readdir(parts).catch(() => [])).sort().map((name) => path.join(parts, name));
  const files = [path.join(directory, 'sources.list'), ...names];
  const sources: AptSource[] = [];
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '');
    const isOurs = path.basename(file).startsWith(ourPrefix);
    const found = file.endsWith('.sources') ? parseDeb822Sources(text) : file.endsWith('.list') ? parseOneLineSources(text) : [];
    sources.push(...found.map((source) => ({ ...source, isOurs })));
  }
  return sources;
}

/** Debian's releases that this knows, oldest first (debian.org/releases). */
const debianVersions: ReadonlyMap<string, string> = new Map([
  ['bookworm', '12'],
  ['trixie', '13'],
  ['forky', '14'],
]);

/**
 * The release that apt installs from. os-release(5) may name a newer one: its file comes with a package that can be
 * pulled in from a newer suite, although all else stays.
 */
export function releaseOf(distribution: Distribution, sources: readonly AptSource[]): Distribution {
  const suites = sources.filter((source) => !source.isOurs && source.components.includes('main')).flatMap(({ suites }) => suites);
  const known = [...debianVersions].filter(([codename]) => suites.includes(codename));
  if (distribution.id !== 'debian' || suites.includes(distribution.codename)) return distribution;
  const [codename, versionId] = known.at(-1) ?? [distribution.codename, distribution.versionId];
  return { ...distribution, codename, versionId };
}

/**
 * The files that add release `suite` beside the machine's own release `codename`, from the very archive that the machine
 * gets its own packages from; undefined where none of `sources` has the own release. Priority 100: nothing comes from
 * there unless asked for, but what did come from there gets its updates (apt_preferences(5)).
 */
export function newerSuiteFiles(sources: readonly AptSource[], codename: string, suite: string): NewerSuiteFiles | undefined {
  const main = sources.find((source) => source.suites.includes(codename) && source.components.includes('main'));
  if (!main) return undefined;
  const security = sources.find((source) => source.suites.includes(`${codename}-security`));
  const stanzas = [stanza(main, suite), ...(security ? [stanza(security, `${suite}-security`)] : [])];
  const releases = [`n=${suite}`, ...(security ? [`n=${suite}-security`] : [])];
  return {
    sourcesPath: path.join(configuration, `sources.list.d/${ourPrefix}${suite}.sources`),
    sources: stanzas.join('\n'),
    preferencesPath: path.join(configuration, `preferences.d/${ourPrefix}${suite}`),
    preferences: releases.map((release) => `Package: *\nPin: release ${release}\nPin-Priority: 100\n`).join('\n'),
  };
}

function stanza({ uri, signedBy }: AptSource, suite: string): string {
  return `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: main\nSigned-By: ${signedBy ?? debianKeyring}\n`;
}

function source(uri: string, suites: readonly string[], components: readonly string[], signedBy?: string): AptSource {
  return { uri, suites, components, ...(signedBy?.startsWith('/') ? { signedBy } : {}) };
}
