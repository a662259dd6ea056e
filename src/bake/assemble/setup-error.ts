import { ConfigurationError, ExitStatus, ShipError } from '../../errors.ts';

/** What the scripts of a card print for us: `prose-ship-error<TAB>CODE<TAB>TEXT`, perhaps behind what buildx puts before it. */
const pattern = /prose-ship-error\t(E_[A-Z_]+)\t(.*)$/;

const remedies: Readonly<Record<string, string>> = {
  E_ENGINE_MISSING: 'Use a base that has these packages: Debian 13, or Raspberry Pi OS made of it. Or take Docker\'s: `engine: docker` under `os`.',
  E_ENGINE_TOO_OLD: 'Use a newer base, Docker\'s own packages (`engine: docker` under `os`), or a recipe that asks for less.',
  E_WRONG_ARCHITECTURE: 'Bake for the platform of the base, or name another base with --base.',
  E_PRELOAD_ENGINE: 'Use `--preload archive`: then the first boot loads the images.',
};

/** The problem that a script named among the lines of a failed build, if it did; all of them where they are several. */
export function setupError(lines: readonly string[]): ShipError | undefined {
  const seen = new Set<string>();
  const problems = lines.flatMap((line) => {
    const [, code = '', text = ''] = pattern.exec(line) ?? [];
    if (code === '' || seen.has(text)) return [];
    seen.add(text);
    return [new ShipError({ code: code as `E_${string}`, message: text.trim(), remedy: remedies[code] ?? 'Change the site\'s `os`, or use another base.', exitStatus: ExitStatus.preflight })];
  });
  return problems.length > 1 ? new ConfigurationError(problems) : problems[0];
}
