import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { Context } from '../context.ts';
import { ExitStatus, ShipError, interrupted } from '../errors.ts';
import { replaceDirectory } from '../host/files.ts';
import { download } from '../host/http.ts';
import { run, type Command } from '../host/process.ts';
import type { Source } from '../site/model.ts';

type GitSource = Extract<Source, { kind: 'git' }>;
type UrlSource = Extract<Source, { kind: 'url' }>;

/**
 * Brings a source onto this machine and returns the folder that is the build context. Git and URL sources are kept in
 * the cache; because they are pinned, what is there is right.
 * @throws ShipError E_SOURCE_MISSING, E_SOURCE_COMMIT, E_SOURCE_ARCHIVE, E_DOWNLOAD, E_CHECKSUM, E_COMMAND_FAILED (git, tar)
 */
export async function provideSource(
  context: Context,
  source: Source,
  onProgress?: (doneBytes: number, totalBytes?: number) => void,
): Promise<string> {
  switch (source.kind) {
    case 'local':
      return requireDirectory(source.directory, 'Correct `source` of the component, or check that folder out.');
    case 'git':
      return provideGit(context, source);
    case 'url':
      return provideUrl(context, source, onProgress);
  }
}

async function provideGit(context: Context, source: GitSource): Promise<string> {
  if (!/^[0-9a-f]{40}(?:[0-9a-f]{24})?$/.test(source.commit)) throw commitError(source, 'it is not a full commit id');
  const directory = path.join(context.cacheDirectory, 'sources', `git-${shortHash(source.url)}-${source.commit}`);
  if (!(await isDirectory(directory))) {
    await replaceDirectory(directory, async (temporary) => {
      for (const command of gitFetch(source, temporary)) await run(context, command).catch(explainFetch(source));
      const { stdout } = await run(context, git(temporary, 'rev-parse', 'HEAD'));
      if (stdout.trim() !== source.commit) throw commitError(source, `the repository gave ${stdout.trim()}`);
      // Packs differ from fetch to fetch; a Dockerfile that copies the whole context would never be cached.
      await rm(path.join(temporary, '.git'), { recursive: true });
    });
  }
  const subdirectory = path.resolve(directory, source.subdirectory ?? '.');
  return requireDirectory(subdirectory, 'Correct `subdirectory` of the source.');
}

/** Fetches that commit alone. */
function gitFetch({ url, commit }: GitSource, directory: string): Command[] {
  return [
    git(directory, 'init', '--quiet'),
    git(directory, 'fetch', '--quiet', '--depth=1', '--no-tags', '--', url, commit),
    git(directory, '-c', 'advice.detachedHead=false', 'checkout', '--quiet', 'FETCH_HEAD'),
  ];
}

function git(directory: string, ...args: string[]): Command {
  return { program: 'git', args: ['-C', directory, ...args], env: { GIT_TERMINAL_PROMPT: '0' } };
}

function explainFetch(source: GitSource) {
  return (error: unknown): never => {
    if (!(error instanceof ShipError) || error.code !== 'E_COMMAND_FAILED') throw error;
    const unknown = /not our ref|couldn't find remote ref|unadvertised object/.test(error.output ?? '');
    if (unknown) throw commitError(source, 'the repository does not have it, or does not give it out', error);
    throw error;
  };
}

async function provideUrl(
  context: Context,
  source: UrlSource,
  onProgress?: (doneBytes: number, totalBytes?: number) => void,
): Promise<string> {
  const directory = path.join(context.cacheDirectory, 'sources', `url-${source.sha256}`);
  if (!(await isDirectory(directory))) {
    const archive = `${directory}.archive`;
    await download(context, source.url, archive, { sha256: source.sha256, ...(onProgress ? { onProgress } : {}) });
    try {
      await replaceDirectory(directory, (temporary) => unpack(context, source, archive, temporary));
    } finally {
      await rm(archive, { force: true });
    }
  }
  return singleFolder(directory);
}

/** GNU tar refuses names that lead out of the folder. */
async function unpack(context: Context, source: UrlSource, archive: string, directory: string): Promise<void> {
  const tarFile = `${archive}.tar`;
  try {
    await pipeline(createReadStream(archive), await decompressor(archive), createWriteStream(tarFile), { signal: context.signal });
    await run(context, { program: 'tar', args: ['--extract', '--no-same-owner', '--file', tarFile, '--directory', directory] });
  } catch (error) {
    if (context.signal.aborted) throw context.signal.reason instanceof ShipError ? context.signal.reason : interrupted();
    if (error instanceof ShipError && error.code !== 'E_COMMAND_FAILED') throw error;
    const output = error instanceof ShipError ? error.output : undefined;
    throw new ShipError({
      code: 'E_SOURCE_ARCHIVE',
      message: `'${source.url}' is not a tar archive that can be unpacked`,
      remedy: 'A URL source is a .tar, .tar.gz or .tar.zst file.',
      ...(output ? { output } : {}),
      cause: error,
    });
  } finally {
    await rm(tarFile, { force: true });
  }
}

/** By its first bytes, because an address need not end in the right letters (RFC 1952; RFC 8878). */
async function decompressor(archive: string): Promise<Transform> {
  const handle = await open(archive);
  const magic = (await handle.read(Buffer.alloc(4), 0, 4, 0)).buffer.toString('hex');
  await handle.close();
  if (magic.startsWith('1f8b')) return createGunzip();
  if (magic === '28b52ffd') return createZstdDecompress();
  return new PassThrough();
}

/** Archives of a release usually hold one folder, NAME-VERSION: that is the context then. */
async function singleFolder(directory: string): Promise<string> {
  const [first, ...others] = await readdir(directory, { withFileTypes: true });
  return first?.isDirectory() && others.length === 0 ? path.join(directory, first.name) : directory;
}

async function requireDirectory(directory: string, remedy: string): Promise<string> {
  if (await isDirectory(directory)) return directory;
  throw new ShipError({
    code: 'E_SOURCE_MISSING',
    message: `The source folder '${directory}' does not exist`,
    remedy,
    exitStatus: ExitStatus.preflight,
  });
}

async function isDirectory(directory: string): Promise<boolean> {
  return stat(directory).then((found) => found.isDirectory(), () => false);
}

function commitError(source: GitSource, why: string, cause?: unknown): ShipError {
  return new ShipError({
    code: 'E_SOURCE_COMMIT',
    message: `The commit '${source.commit}' of '${source.url}' cannot be used: ${why}`,
    remedy: 'Give the full id of a commit which that repository offers: `git ls-remote URL`.',
    cause,
  });
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
