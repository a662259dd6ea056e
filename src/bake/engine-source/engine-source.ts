import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../../context.ts';
import { debianEnginePackages } from '../../device/provision/programs.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { fetchDocument } from '../../host/fetch-document.ts';
import { writeAtomically } from '../../host/files.ts';
import type { EngineRepository, OsSettings } from '../../site/model.ts';
import { keyFingerprint } from './openpgp-key.ts';

/** Docker's packages, their key and its fingerprint (docs.docker.com, "Install Docker Engine on Debian"). */
const dockerRepository = 'https://download.docker.com/linux';
const dockerKey = { url: `${dockerRepository}/debian/gpg`, fingerprint: '9DC858229FC7DD38854AE2D88D81803C0EBFCD88' };
const maxKeyBytes = 64 * 1024;

/** Whose packages the engine and Compose of a card are. */
export interface EngineSource {
  /** Debian packages of the engine, its client, containerd and Compose. */
  readonly packages: readonly string[];
  /** An apt source in deb822 form with `@ID@` and `@SUITE@` of the base's os-release in it; absent: Debian's own. */
  readonly aptSource?: string;
  /** A folder that holds the repository while the card is made; the card itself gets no source then. */
  readonly directory?: string;
}

export const debianEngine: EngineSource = { packages: debianEnginePackages };
/** Docker's own, wherever they lie. */
export const dockerPackages: readonly string[] = ['containerd.io', 'docker-ce', 'docker-ce-cli', 'docker-compose-plugin'];
/** Where dockerfiles/os-image.Dockerfile mounts a folder. By `copy:` apt takes packages along, by `file:` it leaves them there. */
const mountedAt = '/engine-repository';

/**
 * Where the engine of a card comes from: what the site says, else Debian; the release before of Raspberry Pi OS is made of
 * a Debian without Compose 2, so there it is Docker's own repository.
 * @throws ShipError E_DOWNLOAD, E_ENGINE_KEY (exit status 3), E_MISSING_FILE (exit status 2)
 */
export async function engineSource(context: Context, { engine }: Pick<OsSettings, 'engine'>, base: string): Promise<EngineSource> {
  const chosen = engine ?? (base === 'raspios-legacy' ? 'docker' : 'debian');
  if (chosen === 'debian') return debianEngine;
  if (chosen === 'docker') return { packages: dockerPackages, aptSource: formatSource(`${dockerRepository}/@ID@`, await fetchKey(context, dockerKey)) };
  const key = await readKey(chosen);
  if (/^https?:/.test(chosen.repository)) return { packages: dockerPackages, aptSource: formatSource(chosen.repository, key) };
  if (!(await stat(chosen.repository).then((found) => found.isDirectory(), () => false))) throw missing(chosen.repository, 'The folder with the packages of the engine');
  return { packages: dockerPackages, aptSource: formatSource(`copy:${mountedAt}`, key), directory: chosen.repository };
}

/** The apt source of a known system, used on this machine; undefined where the packages are Debian's own. */
export function aptSourceOn({ aptSource, directory }: EngineSource, system: { readonly id: string; readonly suite: string }): string | undefined {
  const source = aptSource?.replaceAll('@ID@', system.id).replaceAll('@SUITE@', system.suite);
  return directory === undefined ? source : source?.replace(mountedAt, directory);
}

/** sources.list(5), "Deb822-Style Format": `Signed-By` may hold the key itself. */
function formatSource(uri: string, key: string): string {
  const block = key.trim().split(/\r?\n/).map((line) => ` ${line.trim() === '' ? '.' : line}`);
  return ['Types: deb', `URIs: ${uri}`, 'Suites: @SUITE@', 'Components: stable', 'Signed-By:', ...block, ''].join('\n');
}

/**
 * A key by its fingerprint, kept in the cache: whoever answers at the address, it is that key or none.
 * @throws ShipError E_DOWNLOAD, E_ENGINE_KEY (exit status 3)
 */
export async function fetchKey(context: Context, { url, fingerprint }: { readonly url: string; readonly fingerprint: string }): Promise<string> {
  const kept = path.join(context.cacheDirectory, 'keys', `${fingerprint}.asc`);
  const known = await readFile(kept, 'utf8').catch(() => '');
  if (keyFingerprint(known) === fingerprint) return known;
  const text = String((await fetchDocument(context, url, maxKeyBytes)) ?? '');
  const found = keyFingerprint(text);
  if (found !== fingerprint) {
    throw new ShipError({
      code: 'E_ENGINE_KEY',
      message: `'${url}' is ${found === undefined ? 'no OpenPGP key' : `the key ${found}`}, not ${fingerprint}, by which Docker signs its packages`,
      remedy: 'Do not use it: something stands between you and Docker. Or name a repository and key that you trust: `engine: {repository: ..., key: ...}` under `os`.',
      exitStatus: ExitStatus.preflight,
    });
  }
  await mkdir(path.dirname(kept), { recursive: true });
  await writeAtomically(kept, (file) => writeFile(file, text));
  return text;
}

async function readKey({ key }: EngineRepository): Promise<string> {
  const text = await readFile(key, 'utf8').catch(() => {
    throw missing(key, 'The key of the engine\'s repository');
  });
  if (keyFingerprint(text) !== undefined) return text;
  throw new ShipError({
    code: 'E_ENGINE_KEY',
    message: `'${key}' is no OpenPGP key in ASCII armor`,
    remedy: 'Export it: gpg --armor --export FINGERPRINT',
    exitStatus: ExitStatus.usage,
  });
}

function missing(file: string, what: string): ShipError {
  return new ShipError({ code: 'E_MISSING_FILE', message: `${what}, '${file}', cannot be read`, remedy: 'Correct `engine` under `os` of the site.', exitStatus: ExitStatus.usage });
}
