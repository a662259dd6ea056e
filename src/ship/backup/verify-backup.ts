import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { ExitStatus, ShipError } from '../../errors.ts';
import { checksumsFile } from '../../release/checksums.ts';
import { backupManifestFile, backupManifestSchema, secretsFolder, volumesFolder, type BackupManifest } from './manifest.ts';

/** A backup that holds what it says. */
export interface VerifiedBackup {
  readonly manifest: BackupManifest;
  /** Of the file as it stands. */
  readonly sizeBytes: number;
  /** sha256 of the file as it stands, hex. */
  readonly sha256: string;
  readonly unpackedBytes: number;
}

export interface VerifyOptions {
  readonly signal?: AbortSignal;
  /** Bytes of the file, compressed. */
  readonly onProgress?: (doneBytes: number) => void;
}

/** `backup.json` and lists of checksums are kept in memory up to this. */
const keptBytes = 64 * 1024 * 1024;

type Entry = ReturnType<typeof extract> extends AsyncIterable<infer Item> ? Item : never;

interface Member {
  readonly sizeBytes: number;
  readonly sha256: string;
}

/**
 * Reads a whole backup as a stream: gzip's checks, every member against SHA256SUMS, the volumes against backup.json.
 * @throws ShipError E_BACKUP_DAMAGED, E_BACKUP_MISSING (exit status 3)
 */
export async function verifyBackup(file: string, options: VerifyOptions = {}): Promise<VerifiedBackup> {
  return verifyBackupStream(createReadStream(file, { highWaterMark: 256 * 1024 }), path.basename(file), options);
}

/** The same for a backup that is just coming in; `name` is how messages call it. */
export async function verifyBackupStream(source: Readable, name: string, { signal, onProgress }: VerifyOptions = {}): Promise<VerifiedBackup> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const counted = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      onProgress?.(sizeBytes);
      yield chunk;
    }
  };
  const tar = extract();
  const reader = new BackupReader();
  try {
    const read = (async () => {
      for await (const entry of tar) await reader.read(entry);
    })();
    // Whoever fails first says why; the other only notices.
    await Promise.all([pipeline(source, counted, createGunzip(), tar, { ...(signal ? { signal } : {}) }), read]);
    const manifest = reader.finish();
    return { manifest, sizeBytes, sha256: hash.digest('hex'), unpackedBytes: reader.unpackedBytes };
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof ShipError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw missing(name, error);
    throw damaged(name, error);
  }
}

/** Thrown inside; its text becomes part of E_BACKUP_DAMAGED. */
class Damage extends Error {}

/** Takes the members one after another and compares them in the end. */
class BackupReader {
  unpackedBytes = 0;
  readonly #members = new Map<string, Member>();
  #manifest: BackupManifest | undefined;
  #sums: Map<string, string> | undefined;

  async read(entry: Entry): Promise<void> {
    const { name, type, size, linkname } = entry.header;
    if (this.#sums) throw new Damage(`'${name}' stands behind ${checksumsFile}`);
    if (!this.#manifest && name !== backupManifestFile) throw new Damage(`it does not begin with ${backupManifestFile}`);
    if (!isMemberName(name)) throw new Damage(`'${name}' does not belong into a backup`);
    if (type === 'link') {
      entry.resume();
      const target = this.#members.get(linkname);
      if (!target) throw new Damage(`'${name}' is a link to '${linkname}', which is not in it`);
      this.#members.set(name, target);
      return;
    }
    if (type !== 'file' && type !== 'contiguous-file') {
      entry.resume();
      return;
    }
    const isKept = name === backupManifestFile || name === checksumsFile;
    if (isKept && size > keptBytes) throw new Damage(`'${name}' has ${size} bytes`);
    const hash = createHash('sha256');
    const kept: Buffer[] = [];
    for await (const chunk of entry as AsyncIterable<Buffer>) {
      hash.update(chunk);
      if (isKept) kept.push(chunk);
    }
    this.unpackedBytes += size;
    if (name === checksumsFile) {
      this.#sums = parseSums(Buffer.concat(kept).toString('utf8'));
      return;
    }
    this.#members.set(name, { sizeBytes: size, sha256: hash.digest('hex') });
    if (name === backupManifestFile) this.#manifest = parseManifest(Buffer.concat(kept).toString('utf8'));
  }

  finish(): BackupManifest {
    const manifest = this.#manifest;
    const sums = this.#sums;
    if (!manifest) throw new Damage('it is empty');
    if (!sums) throw new Damage('its end is missing');
    for (const [name, sum] of sums) {
      const member = this.#members.get(name);
      if (!member) throw new Damage(`'${name}' is missing`);
      if (member.sha256 !== sum) throw new Damage(`'${name}' is not what ${checksumsFile} says`);
    }
    for (const name of this.#members.keys()) if (!sums.has(name)) throw new Damage(`'${name}' has no checksum`);
    for (const volume of manifest.volumes) this.#checkVolume(volume);
    for (const secret of manifest.secrets) if (!this.#members.has(`${secretsFolder}/${secret}`)) throw new Damage(`secret '${secret}' is missing`);
    return manifest;
  }

  #checkVolume({ name, sizeBytes, files }: BackupManifest['volumes'][number]): void {
    const found = [...this.#members].filter(([member]) => member.startsWith(`${volumesFolder}/${name}/`)).map(([, member]) => member);
    const foundBytes = found.reduce((sum, member) => sum + member.sizeBytes, 0);
    if (found.length === files && foundBytes === sizeBytes) return;
    throw new Damage(`volume '${name}' holds ${found.length} files of ${foundBytes} bytes in place of ${files} of ${sizeBytes}`);
  }
}

/** Nothing outside of the folders, whatever somebody has made of the file. */
function isMemberName(name: string): boolean {
  if (name === backupManifestFile || name === checksumsFile) return true;
  const [folder, ...rest] = name.split('/');
  return (folder === volumesFolder || folder === secretsFolder) && !rest.includes('..');
}

function parseManifest(text: string): BackupManifest {
  const parsed = backupManifestSchema.safeParse(json(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Damage(`${backupManifestFile} is not one that this version reads: ${issue ? `${issue.path.join('.')}: ${issue.message}` : ''}`);
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** As sha256sum (coreutils) writes it: a backslash in front says that the name has `\\`, `\n` or `\r` escaped. */
export function parseSums(text: string): Map<string, string> {
  const unescape = (name: string) => name.replaceAll(/\\([\\nr])/g, (_, what: string) => ({ n: '\n', r: '\r' })[what] ?? '\\');
  return new Map(
    text.split('\n').filter((line) => line !== '').map((line) => {
      const match = /^(\\?)([0-9a-f]{64}) [ *](.+)$/s.exec(line);
      if (!match?.[2] || match[3] === undefined) throw new Damage(`${checksumsFile} has a line that is none: '${line.slice(0, 80)}'`);
      return [match[1] ? unescape(match[3]) : match[3], match[2]];
    }),
  );
}

function damaged(name: string, cause: unknown): ShipError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ShipError({
    code: 'E_BACKUP_DAMAGED',
    message: `${name} is not a whole backup: ${why}`,
    remedy: 'Use another backup; nothing was touched.',
    exitStatus: ExitStatus.preflight,
    cause,
  });
}

function missing(name: string, cause: unknown): ShipError {
  return new ShipError({
    code: 'E_BACKUP_MISSING',
    message: `There is no file ${name}`,
    remedy: 'Name the file that `prose-ship backup` wrote.',
    exitStatus: ExitStatus.preflight,
    cause,
  });
}
