import { glob, readFile } from 'node:fs/promises';
import type { Context } from '../../context.ts';

/** One place that apt fetches from. */
export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
}

const patterns = ['/etc/apt/sources.list', '/etc/apt/sources.list.d/*.list', '/etc/apt/sources.list.d/*.sources'];
const debianSuites = /^(bullseye|bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)$/;

/**
 * Where the packages of a suite, its updates and its security updates should come from, the suite itself first:
 * `PROSE_SHIP_DEBIAN_MIRROR`, else the mirror that this machine's apt is configured with. Empty where there is neither.
 */
export async function findAptSources(context: Context, suite: string): Promise<AptSource[]> {
  const given = context.environment['PROSE_SHIP_DEBIAN_MIRROR'];
  if (given) return chooseAptSources([{ uri: given, suite, components: ['main'] }], suite);
  const configured: AptSource[] = [];
  for await (const file of glob(patterns)) {
    configured.push(...parseAptSources(await readFile(file, 'utf8').catch(() => '')));
  }
  return chooseAptSources(configured, suite);
}

/** The mirror of that very suite, else of any Debian suite: mirrors carry all of them. */
export function chooseAptSources(configured: readonly AptSource[], suite: string): AptSource[] {
  const debian = configured.filter((source) => debianSuites.test(source.suite) && source.components.includes('main'));
  const uri = (debian.find((source) => source.suite === suite) ?? debian[0])?.uri;
  if (uri === undefined) return [];
  const security = configured.filter((source) => source.suite.endsWith('-security'));
  // Mirrors hold the security archive beside the main one, where they hold it.
  const securityUri = (security.find((source) => source.suite === `${suite}-security`) ?? security[0])?.uri ?? uri.replace(/\/?$/, '-security');
  const components = ['main'];
  return [
    { uri, suite, components },
    { uri, suite: `${suite}-updates`, components },
    { uri: securityUri, suite: `${suite}-security`, components },
  ];
}

/** Reads both forms of sources.list(5), one-line and deb822; what is disabled or holds source packages is left out. */
export function parseAptSources(text: string): AptSource[] {
  return /^\s*types:/im.test(text) ? parseDeb822(text) : parseOneLine(text);
}

function parseOneLine(text: string): AptSource[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line);
    if (!match) return [];
    const [, uri = '', suite = '', components = ''] = match;
    return [{ uri, suite, components: words(components) }];
  });
}

function parseDeb822(text: string): AptSource[] {
  const lines = text.split('\n').filter((line) => !line.startsWith('#'));
  return lines
    .join('\n')
    .split(/\n[ \t]*\n/)
    .flatMap((stanza) => {
      const field = (name: string): string[] =>
        words(new RegExp(`^${name}:((?:.*)(?:\\n[ \\t].*)*)`, 'im').exec(stanza)?.[1] ?? '');
      if (!field('types').includes('deb') || field('enabled')[0]?.toLowerCase() === 'no') return [];
      const components = field('components');
      return field('uris').flatMap((uri) => field('suites').map((suite) => ({ uri, suite, components })));
    });
}

/** The sources as a deb822 file. */
export function formatAptSources(sources: readonly AptSource[]): string {
  const signedBy = '/usr/share/keyrings/debian-archive-keyring.gpg';
  return sources
    .map(({ uri, suite, components }) =>
      [`Types: deb`, `URIs: ${uri}`, `Suites: ${suite}`, `Components: ${components.join(' ')}`, `Signed-By: ${signedBy}`, ''].join('\n'),
    )
    .join('\n');
}

function words(text: string): string[] {
  return text.split(/\s+/).filter(Boolean);
}
