import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import test from 'ava';
import { extract, type Header } from 'tar-stream';
import { treeTar } from '../../../src/bake/base/tree-tar.ts';
import type { TreeEntry } from '../../../src/bake/disk/ext4/open-ext4.ts';
import { decodeFileName, encodeFileName } from '../../../src/bake/disk/ext4/file-name.ts';
import { createContext } from '../../../src/context.ts';
import { run } from '../../../src/host/process.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const context = createContext();

function entry(changes: Partial<TreeEntry> & { path: string }): TreeEntry {
  const content = Buffer.alloc(changes.sizeBytes ?? 0, 'x');
  return {
    type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: 1_600_000_000, mtimeNanoseconds: 0, sizeBytes: 0, xattrs: new Map(),
    content: () => Readable.from([content]), ...changes,
  };
}

async function tarOf(entries: readonly TreeEntry[], leftOut: string[] = []): Promise<Buffer> {
  return buffer(Readable.from(treeTar(Readable.from(entries) as AsyncIterable<TreeEntry>, { onLeftOut: (name, reason) => leftOut.push(`${name}: ${reason}`) })));
}

async function headers(tar: Buffer): Promise<Header[]> {
  const found: Header[] = [];
  const archive = extract();
  archive.on('entry', (header, stream, next) => {
    found.push(header);
    stream.on('end', next).resume();
  });
  await new Promise<void>((resolve, reject) => {
    archive.on('finish', () => resolve()).on('error', reject);
    Readable.from([tar]).pipe(archive);
  });
  return found;
}

/** Keywords and values of the first pax header of an archive, split by the lengths that it states. */
function paxRecords(tar: Buffer): Map<string, Buffer> {
  const size = Number.parseInt(tar.toString('latin1', 124, 135), 8);
  const records = new Map<string, Buffer>();
  for (let at = 512; at < 512 + size; ) {
    const space = tar.indexOf(' ', at);
    const equals = tar.indexOf('=', at);
    const end = at + Number(tar.toString('latin1', at, space));
    records.set(tar.toString('latin1', space + 1, equals), tar.subarray(equals + 1, end - 1));
    if (tar[end - 1] !== 0x0a) throw new Error(`no line end at ${end - 1}`);
    at = end;
  }
  return records;
}

test('what ustar has room for gets no pax header, and whole blocks', async (t) => {
  const tar = await tarOf([entry({ path: '', type: 'directory', mode: 0o755 }), entry({ path: 'etc', type: 'directory', mode: 0o1777 }), entry({ path: 'a'.repeat(100), sizeBytes: 513 })]);
  t.is(tar.length, 3 * 512 + 1024 + 1024);
  t.deepEqual((await headers(tar)).map(({ name, mode, size }) => [name, mode, size]), [['./', 0o755, 0], ['etc/', 0o1777, 0], ['a'.repeat(100), 0o644, 513]]);
});

test('pax records state their own length, whatever digits it has', async (t) => {
  for (let length = 60; length < 130; length++) {
    const value = Buffer.alloc(length, '\0\n=\xff', 'latin1');
    const records = paxRecords(await tarOf([entry({ path: 'x', xattrs: new Map([['user.x', value], ['user.empty', Buffer.alloc(0)]]) })]));
    t.deepEqual(records, new Map([['SCHILY.xattr.user.x', value], ['SCHILY.xattr.user.empty', Buffer.alloc(0)]]));
  }
});

test('times before 1970, behind 2242 and with a fraction, big owners and sizes', async (t) => {
  const record = async (changes: Partial<TreeEntry>): Promise<Record<string, string>> =>
    Object.fromEntries([...paxRecords(await tarOf([entry({ path: 'x', type: 'fifo', ...changes })]))].map(([name, value]) => [name, value.toString()]));
  t.deepEqual(await record({ mtime: -1.75, mtimeNanoseconds: 250_000_000 }), { mtime: '-1.75' });
  t.deepEqual(await record({ mtime: -0.5, mtimeNanoseconds: 500_000_000 }), { mtime: '-0.5' });
  t.deepEqual(await record({ mtime: -2 }), { mtime: '-2' });
  t.deepEqual(await record({ mtime: 1_600_000_000 + 1e-9, mtimeNanoseconds: 1 }), { mtime: '1600000000.000000001' });
  t.deepEqual(await record({ mtime: 1_600_000_000 + 0.999999999, mtimeNanoseconds: 999_999_999 }), { mtime: '1600000000.999999999' });
  t.deepEqual(await record({ mtime: 2 ** 33 }), { mtime: '8589934592' });
  t.deepEqual(await record({ uid: 2 ** 21, gid: 2 ** 32 - 2 }), { uid: '2097152', gid: '4294967294' });
});

test('what a layer cannot hold is left out with all that depends on it, and said', async (t) => {
  const leftOut: string[] = [];
  const tar = await tarOf(
    [
      entry({ path: '.wh.d', type: 'directory' }),
      entry({ path: '.wh.d/below' }),
      entry({ path: 'a' }),
      entry({ path: 'hard', type: 'hardlink', linkTarget: 'socket' }),
      entry({ path: 'run/.wh.x' }),
      entry({ path: 'run/deleted', type: 'character', deviceMajor: 0, deviceMinor: 0 }),
      entry({ path: 'run/socket', type: 'socket' }),
      entry({ path: 'run/socket-too', type: 'hardlink', linkTarget: 'run/socket' }),
      entry({ path: 'run/x.wh.y' }),
    ],
    leftOut,
  );
  t.deepEqual((await headers(tar)).map(({ name }) => name), ['a', 'hard', 'run/x.wh.y']);
  t.deepEqual(leftOut.map((line) => line.split(':')[0]), ['.wh.d', '.wh.d/below', 'run/.wh.x', 'run/deleted', 'run/socket', 'run/socket-too']);
});

test('GNU tar reads a file of more than 8 GiB by its header, and long names', async (t) => {
  const sizeBytes = 9 * 2 ** 30;
  const long = `${'d'.repeat(90)}/${'ä'.repeat(90)}`;
  const pieces: Buffer[] = [];
  const big = entry({ path: 'big', mode: 0o600, content: () => Readable.from([Buffer.alloc(512)]) });
  for await (const piece of treeTar(Readable.from([entry({ path: long, sizeBytes: 3 }), { ...big, sizeBytes }]) as AsyncIterable<TreeEntry>)) pieces.push(piece);
  const file = path.join(await temporaryDirectory('tree-tar'), 'tar');
  await writeFile(file, Buffer.concat(pieces));
  const { stdout } = await run(context, { program: 'tar', args: ['--list', '--verbose', '--quoting-style=literal', '--file', file], env: { LC_ALL: 'C', TZ: 'UTC' } }, { expect: [0, 2] });
  t.true(stdout.includes(` 3 2020-09-13 12:26 ${long}\n`), stdout);
  t.true(stdout.includes(` ${sizeBytes} 2020-09-13 12:26 big`), stdout);
});

test('names that are no UTF-8 go through strings without loss', (t) => {
  for (const bytes of [Buffer.from('plain'), Buffer.from('名前 ä'), Buffer.from([0xff, 0x61, 0xc3, 0x28, 0xc3, 0xa4, 0x80]), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from([0xf0, 0x9f, 0x98])]) {
    t.deepEqual(encodeFileName(decodeFileName(bytes)), bytes);
  }
  t.is(decodeFileName(Buffer.from([0x61, 0xff])), 'a\udcff');
  t.is(decodeFileName(Buffer.from([0xef, 0xbb, 0xbf, 0x61])), '\ufeffa');
});
