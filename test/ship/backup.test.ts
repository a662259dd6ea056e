import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { pack } from 'tar-stream';
import { ExitStatus, ShipError } from '../../src/errors.ts';
import type { HostInventory } from '../../src/device/inventory.ts';
import type { ReleaseManifest } from '../../src/release/manifest.ts';
import { parseContents } from '../../src/ship/backup/backup.ts';
import type { BackupManifest } from '../../src/ship/backup/manifest.ts';
import { checkRestore } from '../../src/ship/backup/restore.ts';
import { parseSums, verifyBackupStream, type VerifiedBackup } from '../../src/ship/backup/verify-backup.ts';

const manifest: BackupManifest = {
  format: 1,
  name: 'chat',
  domain: 'chat.example.org',
  host: 'pi',
  release: { id: '1.0.0-0123456789ab', version: '1.0.0' },
  recipe: { name: 'prosody', version: '1.0.0' },
  dataVersion: 2,
  time: '2024-05-06T07:08:09.000Z',
  cold: true,
  volumes: [{ name: 'data', sizeBytes: 10, files: 2 }],
  secrets: [],
};

type Member = readonly [name: string, content: string, link?: 'link'];

const files: readonly Member[] = [['volumes/data/a', 'hello'], ['volumes/data/b', 'volumes/data/a', 'link']];

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** backup.json, these members, and checksums of all; `sums` changes the text of the last. */
async function archive(members: readonly Member[], more: { manifest?: object; sums?: (text: string) => string } = {}): Promise<Buffer> {
  const all: readonly Member[] = [['backup.json', JSON.stringify({ ...manifest, ...more.manifest })], ...members];
  const contents = new Map(all.map(([name, content]) => [name, content]));
  const sums = all.map(([name, content, link]) => `${sha256(link ? (contents.get(content) ?? '') : content)}  ${name}\n`).join('');
  return tar([...all, ['SHA256SUMS', more.sums?.(sums) ?? sums]]);
}

async function tar(members: readonly Member[]): Promise<Buffer> {
  const stream = pack();
  for (const [name, content, link] of members) {
    if (link) stream.entry({ name, type: 'link', linkname: content });
    else stream.entry({ name }, content);
  }
  stream.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function verify(bytes: Buffer): Promise<VerifiedBackup> {
  return verifyBackupStream(Readable.from([bytes]), 'chat.tar.gz');
}

test('a whole backup tells its manifest, its digest and what it unpacks to', async (t) => {
  const bytes = gzipSync(await archive(files));
  const verified = await verify(bytes);
  t.deepEqual(verified.manifest, manifest);
  t.is(verified.sizeBytes, bytes.length);
  t.is(verified.sha256, createHash('sha256').update(bytes).digest('hex'));
  t.true(verified.unpackedBytes > 5);
});

test('every way of not being whole is E_BACKUP_DAMAGED, exit status 3, and says why', async (t) => {
  const whole = await archive(files);
  const cases: [Buffer, RegExp][] = [
    [Buffer.alloc(0), /chat\.tar\.gz is not a whole backup/],
    [whole, /incorrect header check/],
    [gzipSync(whole).subarray(0, -1), /unexpected end of file/],
    [gzipSync(whole.subarray(0, 1024)), /its end is missing/],
    [gzipSync(await tar([['volumes/data/a', 'hello']])), /does not begin with backup\.json/],
    [gzipSync(await archive([['../etc/passwd', 'x']])), /'\.\.\/etc\/passwd' does not belong/],
    [gzipSync(await archive([['volumes/../../x', 'x']])), /does not belong/],
    [gzipSync(await archive([...files, ['volumes/data/c', 'volumes/data/z', 'link']])), /link to 'volumes\/data\/z', which is not in it/],
    [gzipSync(await archive(files, { sums: (text) => text.replace(sha256('hello'), sha256('other')) })), /'volumes\/data\/[ab]' is not what SHA256SUMS says/],
    [gzipSync(await archive(files, { sums: (text) => text.replace(/^.*a\n/m, '') })), /'volumes\/data\/a' has no checksum/],
    [gzipSync(await archive(files, { sums: (text) => `${text}${sha256('')}  volumes/data/gone\n` })), /'volumes\/data\/gone' is missing/],
    [gzipSync(await archive(files, { sums: (text) => `${text}nonsense\n` })), /a line that is none: 'nonsense'/],
    [gzipSync(await archive(files.slice(0, 1))), /volume 'data' holds 1 files of 5 bytes in place of 2 of 10/],
    [gzipSync(await archive(files, { manifest: { format: 2 } })), /backup\.json is not one that this version reads: format/],
    [gzipSync(await archive(files, { manifest: { secrets: ['salt'] } })), /secret 'salt' is missing/],
  ];
  for (const [bytes, message] of cases) {
    const error = await t.throwsAsync(verify(bytes), { instanceOf: ShipError, code: 'E_BACKUP_DAMAGED' }, String(message));
    t.regex(error.message, message);
    t.is(error.exitStatus, ExitStatus.preflight);
  }
});

test('names with line breaks and backslashes are read as sha256sum writes them', (t) => {
  const sum = sha256('');
  t.deepEqual([...parseSums(`\\${sum}  a\\nb\\\\c\n${sum}  plain\\x\n`).keys()], ['a\nb\\c', 'plain\\x']);
});

test('what the updater tells of its copy', (t) => {
  t.deepEqual(parseContents('release\t1\nstopped-ms\t580\nvolume\tdata\t10\t2\nsecret\tsalt\n'), {
    stoppedMs: 580,
    volumes: [{ name: 'data', sizeBytes: 10, files: 2 }],
    secrets: ['salt'],
  });
});

test('a backup goes only onto its own site, onto a release that reads it, onto a disk that takes it', (t) => {
  const backup: VerifiedBackup = { manifest, sizeBytes: 1000, sha256: '', unpackedBytes: 5000 };
  const running = { ...manifest, id: '1.0.0-0123456789ab', data: { version: 2, volumes: ['data', 'more'] } } as unknown as ReleaseManifest;
  const inventory = { freeBytes: 1e9, engineFreeBytes: 1e9 } as HostInventory;
  const code = (change: Partial<ReleaseManifest>, more: Partial<HostInventory> = {}, force = false) => {
    try {
      checkRestore('pi', backup, { ...running, ...change }, { ...inventory, ...more }, { force });
      return undefined;
    } catch (error) {
      t.is((error as ShipError).exitStatus, ExitStatus.preflight);
      return (error as ShipError).code;
    }
  };
  t.is(code({}), undefined);
  t.is(code({ data: { version: 3, volumes: ['data'] } }), undefined, 'older data is what an update meets, too');
  for (const other of [{ name: 'other' }, { domain: 'other.example.org' }, { recipe: { name: 'other', version: '1' } }]) {
    t.is(code(other), 'E_BACKUP_OTHER_SITE');
    t.is(code(other, {}, true), undefined);
  }
  t.is(code({ data: { version: 1, volumes: ['data'] } }, {}, true), 'E_BACKUP_NEWER');
  t.is(code({ data: { version: 2, volumes: ['more'] } }), 'E_BACKUP_VOLUMES');
  t.is(code({}, { freeBytes: 64 * 2 ** 20 + 999 }), 'E_HOST_DISK_FULL');
  t.is(code({}, { engineFreeBytes: 64 * 2 ** 20 + 5999 }), 'E_HOST_DISK_FULL');
});
