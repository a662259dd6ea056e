import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { acquireBase, type AcquiredBase } from '../../../../src/bake/base/acquire-base.ts';
import { parsePlatform } from '../../../../src/oci/platform.ts';
import { startFileServer, type FileServer } from '../../../support/file-server.ts';
import { officialEntry, type OsListEntry } from '../../../support/os-list.ts';
import { recordingContext } from '../../../support/recording-context.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

const execute = promisify(execFile);
export const mebibyte = 1024 * 1024;
const platform = parsePlatform('linux/arm64')!;
export const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');
const folder = '/raspios_lite_arm64/images/raspios_lite_arm64-2026-01-02';
export const xzPath = `${folder}/2026-01-01-raspios-trixie-arm64-lite.img.xz`;

/** 12 MiB, of which 3 MiB are data, like a card that is mostly empty. */
export const raw = Buffer.alloc(12 * mebibyte);
randomBytes(2 * mebibyte).copy(raw, mebibyte);
randomBytes(mebibyte).copy(raw, 7 * mebibyte);

export const xz = await compressed(raw);

async function compressed(content: Buffer): Promise<Buffer> {
  const file = path.join(await temporaryDirectory('os-base'), 'image.img');
  await writeFile(file, content);
  await execute('xz', ['-1', '--block-size=4MiB', file]);
  return readFile(`${file}.xz`);
}

/** A server with Imager's list, which refers to a second one that has the image, and a cache of its own. */
export async function serve(t: ExecutionContext, options: { entry?: Partial<OsListEntry>; content?: Buffer; cacheDirectory?: string; environment?: Record<string, string> } = {}) {
  const server = await startFileServer();
  t.teardown(() => server.close());
  const content = options.content ?? xz;
  server.files.set(xzPath, { content });
  const list = (entry: Partial<OsListEntry> = {}): void => {
    const image = officialEntry({
      url: `${server.url}${xzPath}`,
      extract_size: raw.length,
      extract_sha256: sha256(raw),
      image_download_size: content.length,
      image_download_sha256: sha256(content),
      ...entry,
    });
    server.files.set('/os_list.json', { content: JSON.stringify({ imager: {}, os_list: [{ name: 'Raspberry Pi OS (other)', subitems: [{ name: 'Lite', subitems_url: `${server.url}/sub.json` }] }] }) });
    server.files.set('/sub.json', { content: JSON.stringify({ os_list: [{ name: 'Lite', subitems: [image] }] }) });
  };
  list(options.entry);
  return { server, list, ...user(t, server, options.cacheDirectory ?? (await temporaryDirectory('os-base')), options.environment) };
}

/** Someone with a cache; what they acquire is released at the end at the latest. */
export function user(t: ExecutionContext, server: FileServer, cacheDirectory: string, environment: Record<string, string> = {}, signal?: AbortSignal) {
  const { context } = recordingContext({
    cacheDirectory,
    environment: { PATH: process.env['PATH'], GNUPGHOME: path.join(cacheDirectory, 'no-keys'), PROSE_SHIP_OS_LIST: `${server.url}/os_list.json`, ...environment },
    ...(signal ? { signal } : {}),
  });
  const messages: string[] = [];
  const report = { progress: () => {}, log: (message: string, level = 'info') => void messages.push(`${level}: ${message}`) };
  const acquire = async (base = 'raspios-lite', signer?: string) => {
    const acquired = await acquireBase(context, { base, platform, report, ...(signer ? { signer } : {}) });
    t.teardown(() => acquired.release());
    return acquired;
  };
  return { acquire, messages, cacheDirectory };
}

/** Every file of the cache but locks: what a failure must not leave. */
export async function leftovers(cacheDirectory: string): Promise<string[]> {
  const names = await readdir(path.join(cacheDirectory, 'os-images'), { recursive: true, withFileTypes: true });
  return names.filter((name) => name.isFile() && !name.name.endsWith('.lock')).map(({ name }) => name).toSorted();
}

export async function isTheImage(t: ExecutionContext, base: AcquiredBase): Promise<void> {
  t.is(base.sha256, sha256(raw));
  t.true((await readFile(base.file)).equals(raw));
}
