import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline, type Readable, type Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { Context } from '../context.ts';
import { ExitStatus, ShipError } from '../errors.ts';
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
  const input = await decompress(archive);
  const command = { program: 'tar', args: ['--extract', '--no-same-owner', '--directory', directory] };
  try {
    await run(context, command, { input });
  } catch (error) {
    if (!(error instanceof ShipError) || error.code !== 'E_COMMAND_FAILED') throw error;
    throw new ShipError({
      code: 'E_SOURCE_ARCHIVE',
      message: `'${source.url}' is not a tar archive that can be unpacked`,
      remedy: 'A URL source is a .tar, .tar.gz or .tar.zst file.',
      ...(error.output ? { output: error.output } : {}),
      cause: error,
    });
  }
}

/** By its first bytes, because an address need not end in the right letters (RFC 1952; RFC 8878). */
async function decompress(archive: string): Promise<Readable> {
  const handle = await open(archive);
  const magic = (await handle.read(Buffer.alloc(4), 0, 4, 0)).buffer.toString('hex');
  await handle.close();
  const content = createReadStream(archive);
  if (magic.startsWith('1f8b')) return connect(content, createGunzip());
  if (magic === '28b52ffd') return connect(content, createZstdDecompress());
  return content;
}

/** An error of either ends the other, and reaches whoever reads the result. */
function connect(from: Readable, through: Transform): Readable {
  pipeline(from, through, () => {});
  return through;
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
