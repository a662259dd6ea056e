import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';

/** One archive that apt is configured to use (sources.list(5)). */
export interface AptSource {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** A keyring file; absent where none, or a key written out in place, is given. */
  readonly signedBy?: string;
}

/** Files that make a newer release available without preferring it. */
export interface NewerSuiteFiles {
  readonly sourcesPath: string;
  readonly sources: string;
  readonly preferencesPath: string;
  readonly preferences: string;
}

const configuration = '/etc/apt';
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
    if (file.endsWith('.sources')) sources.push(...parseDeb822Sources(text));
    if (file.endsWith('.list')) sources.push(...parseOneLineSources(text));
  }
  return sources;
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
    sourcesPath: path.join(configuration, `sources.list.d/prose-ship-${suite}.sources`),
    sources: stanzas.join('\n'),
    preferencesPath: path.join(configuration, `preferences.d/prose-ship-${suite}`),
    preferences: releases.map((release) => `Package: *\nPin: release ${release}\nPin-Priority: 100\n`).join('\n'),
  };
}

function stanza({ uri, signedBy }: AptSource, suite: string): string {
  return `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: main\nSigned-By: ${signedBy ?? debianKeyring}\n`;
}

function source(uri: string, suites: readonly string[], components: readonly string[], signedBy?: string): AptSource {
  return { uri, suites, components, ...(signedBy?.startsWith('/') ? { signedBy } : {}) };
}
