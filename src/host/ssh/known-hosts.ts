import { createHash, createHmac, randomBytes } from 'node:crypto';
import { appendFile, mkdir, open, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Place } from '../../errors.ts';

/** A host key as it goes over the wire: an SSH string with the type, then the key (RFC 4253, section 6.6). */
export interface HostKey {
  /** `ssh-ed25519`, `ssh-rsa`, `ecdsa-sha2-nistp256`, ... */
  readonly type: string;
  readonly blob: Buffer;
}

/** One line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). */
export interface KnownHost {
  readonly marker?: 'revoked' | 'cert-authority';
  /** The first field as it stands: patterns, or a hashed name. */
  readonly hosts: string;
  readonly key: HostKey;
  readonly place: Place;
}

export type HostKeyVerdict =
  | { readonly status: 'known' }
  /** `otherTypes`: keys of other types are known; `authority`: only a certificate authority, which is not supported. */
  | { readonly status: 'unknown'; readonly otherTypes?: Place; readonly authority?: Place }
  | { readonly status: 'changed'; readonly place: Place }
  | { readonly status: 'revoked'; readonly place: Place };

/** Lines that are no entries are passed over, as ssh does. */
export function parseKnownHosts(text: string, file: string): KnownHost[] {
  return text.split('\n').flatMap((line, index) => {
    const match = /^\s*(?:@(?<marker>revoked|cert-authority)\s+)?(?<hosts>[^\s#@]\S*)\s+(?<type>\S+)\s+(?<key>[A-Za-z0-9+/=]+)/.exec(line);
    if (!match?.groups) return [];
    const { marker, hosts = '', type = '', key = '' } = match.groups;
    const entry = { hosts, key: { type, blob: Buffer.from(key, 'base64') }, place: { file, line: index + 1 } };
    return [marker ? { ...entry, marker: marker as NonNullable<KnownHost['marker']> } : entry];
  });
}

/** Entries of all files that exist. */
export async function readKnownHosts(files: readonly string[]): Promise<KnownHost[]> {
  const entries: KnownHost[] = [];
  for (const file of files) {
    try {
      entries.push(...parseKnownHosts(await readFile(file, 'utf8'), file));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return entries;
}

/** How known_hosts spells a host: `name`, or `[name]:port` where the port is not 22. */
export function knownHostName(host: string, port: number): string {
  return port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`;
}

/**
 * What the entries say about a key. Like ssh, a key that is stored under the bare name is good for other ports too.
 * @param name of `knownHostName`, or a HostKeyAlias
 */
export function checkHostKey(entries: readonly KnownHost[], name: string, key: HostKey): HostKeyVerdict {
  const matching = entries.filter((entry) => matchesHost(entry.hosts, name));
  const bare = bareName(name);
  const underBareName = bare === undefined ? [] : entries.filter((entry) => matchesHost(entry.hosts, bare));
  const same = (entry: KnownHost) => entry.key.blob.equals(key.blob);

  const revoked = [...matching, ...underBareName].find((entry) => entry.marker === 'revoked' && same(entry));
  if (revoked) return { status: 'revoked', place: revoked.place };
  const plain = matching.filter((entry) => entry.marker === undefined);
  if (plain.some(same)) return { status: 'known' };
  const changed = plain.find((entry) => entry.key.type === key.type);
  if (changed) return { status: 'changed', place: changed.place };
  if (underBareName.some((entry) => entry.marker === undefined && same(entry))) return { status: 'known' };
  const [other] = plain;
  if (other) return { status: 'unknown', otherTypes: other.place };
  const authority = matching.find((entry) => entry.marker === 'cert-authority');
  return authority ? { status: 'unknown', authority: authority.place } : { status: 'unknown' };
}

/** Types of which a key is stored for the host, so that the host can be asked for one of them. */
export function knownKeyTypes(entries: readonly KnownHost[], name: string): ReadonlySet<string> {
  const bare = bareName(name);
  const stored = (host: string) =>
    entries.filter((entry) => entry.marker === undefined && matchesHost(entry.hosts, host)).map((entry) => entry.key.type);
  const types = stored(name);
  return new Set(types.length === 0 && bare !== undefined ? stored(bare) : types);
}

/** `SHA256:` and the digest in base64 without padding, as OpenSSH prints it. */
export function fingerprint(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** @throws RangeError when the blob does not start with a type */
export function hostKeyOf(blob: Buffer): HostKey {
  return { type: blob.toString('latin1', 4, 4 + blob.readUInt32BE(0)), blob };
}

/** Adds a line to a known_hosts file; makes it (0600) and its folder (0700) where missing. */
export async function appendKnownHost(
  file: string,
  name: string,
  key: HostKey,
  options: { readonly hashed?: boolean } = {},
): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const host = options.hashed ? hashedName(name, randomBytes(20)) : name;
  const separator = (await endsInsideLine(file)) ? '\n' : '';
  await appendFile(file, `${separator}${host} ${key.type} ${key.blob.toString('base64')}\n`, { mode: 0o600 });
}

async function endsInsideLine(file: string): Promise<boolean> {
  try {
    await using handle = await open(file, 'r');
    const { size } = await handle.stat();
    if (size === 0) return false;
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
    return buffer.toString() !== '\n';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

function bareName(name: string): string | undefined {
  return /^\[(.+)\]:\d+$/.exec(name)?.[1];
}

function hashedName(name: string, salt: Buffer): string {
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`;
}

/** A list of patterns with `*`, `?` and a leading `!`; a negated pattern that matches overrules all others. */
function matchesHost(hosts: string, name: string): boolean {
  if (hosts.startsWith('|1|')) {
    const salt = hosts.split('|')[2] ?? '';
    return hashedName(name, Buffer.from(salt, 'base64')) === hosts;
  }
  let matched = false;
  for (const pattern of hosts.toLowerCase().split(',')) {
    const negated = pattern.startsWith('!');
    if (!matchesPattern(negated ? pattern.slice(1) : pattern, name.toLowerCase())) continue;
    if (negated) return false;
    matched = true;
  }
  return matched;
}

function matchesPattern(pattern: string, name: string): boolean {
  const source = pattern.replace(/[.*+?^${}()|[\]\\]/g, (character) =>
    character === '*' ? '.*' : character === '?' ? '.' : `\\${character}`,
  );
  return new RegExp(`^${source}$`, 's').test(name);
}
