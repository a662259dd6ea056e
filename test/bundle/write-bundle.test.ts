import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { writeBundle } from '../../src/bundle/stick/write-bundle.ts';
import { createContext } from '../../src/context.ts';
import { ExitStatus, ShipError } from '../../src/errors.ts';
import { digestOf } from '../../src/oci/digest.ts';
import type { UploadFile } from '../../src/release/upload-files.ts';
import { silentReport } from '../support/releases/offline-bundle.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const facts = text('bundle.txt', 'format\t1\n');

function text(name: string, content: string): UploadFile {
  return { kind: 'text', path: name, content, sizeBytes: Buffer.byteLength(content), digest: digestOf(content) };
}

async function failure(t: ExecutionContext, directory: string, files: readonly UploadFile[], signal = new AbortController().signal): Promise<ShipError> {
  // Of what an aborted signal throws, anything at all.
  const error: unknown = await t.throwsAsync(writeBundle(createContext({ signal }), directory, files, silentReport), { any: true });
  return error as ShipError;
}

test('all files and their checksums; the second time it stays, and what is damaged is written again', async (t) => {
  const parent = await temporaryDirectory('bundle');
  const directory = path.join(parent, 'stick');
  const source = path.join(parent, 'source');
  await writeFile(source, 'an image');
  const files: UploadFile[] = [facts, { kind: 'copy', path: 'release/image', source, sizeBytes: 8, digest: digestOf('an image') }];
  const write = () => writeBundle(createContext(), directory, files, silentReport);
  t.is((await write()).unchanged, false);
  t.is(await readFile(path.join(directory, 'release/image'), 'utf8'), 'an image');
  t.regex(await readFile(path.join(directory, 'SHA256SUMS'), 'utf8'), /^[0-9a-f]{64} {2}bundle\.txt\n[0-9a-f]{64} {2}release\/image\n$/);
  const { ino } = await stat(directory);
  await writeFile(path.join(directory, '.DS_Store'), 'of a desktop');
  t.is((await write()).unchanged, true);
  t.is((await stat(directory)).ino, ino);
  await writeFile(path.join(directory, 'release/image'), 'an imagf');
  t.is((await write()).unchanged, false);
  t.is(await readFile(path.join(directory, 'release/image'), 'utf8'), 'an image');
  t.deepEqual((await readdir(parent)).sort(), ['source', 'stick']);
});

test('a folder of somebody else, a file, and a disk itself are left alone', async (t) => {
  const parent = await temporaryDirectory('bundle');
  await mkdir(path.join(parent, 'photos'));
  await writeFile(path.join(parent, 'photos/cat.jpg'), '');
  const other = await failure(t, path.join(parent, 'photos'), [facts]);
  t.like(other, { code: 'E_BUNDLE_TARGET', exitStatus: ExitStatus.usage });
  t.is(other.remedy, `Name a folder in it, which will be made: ${path.join(parent, 'photos/prose-ship')}`);
  t.is((await failure(t, path.join(parent, 'photos/cat.jpg'), [facts])).code, 'E_BUNDLE_TARGET');
  t.regex((await failure(t, '/proc', [facts])).message, /a disk is mounted there/);
  t.deepEqual(await readdir(path.join(parent, 'photos')), ['cat.jpg']);
});

test('too little space is known before anything is written', async (t) => {
  const parent = await temporaryDirectory('bundle');
  const huge = Array.from({ length: 5000 }, (_, index): UploadFile => ({ kind: 'copy', path: `image-${index}`, source: '/nonexistent', sizeBytes: 2 ** 32 - 1, digest: digestOf('') }));
  const error = await failure(t, path.join(parent, 'stick'), [facts, ...huge]);
  t.like(error, { code: 'E_DISK_FULL', exitStatus: ExitStatus.preflight, remedy: 'Free space there, or take a larger stick.' });
  t.regex(error.message, /^The bundle needs 20480001 MiB; only \d+ MiB are free where /);
  t.deepEqual(await readdir(parent), []);
});

test('nothing is left of a bundle whose source changed, or that was interrupted', async (t) => {
  const parent = await temporaryDirectory('bundle');
  const source = path.join(parent, 'source');
  await writeFile(source, 'an imagf');
  const copy: UploadFile = { kind: 'copy', path: 'image', source, sizeBytes: 8, digest: digestOf('an image') };
  const changed = await failure(t, path.join(parent, 'stick'), [facts, copy]);
  t.like(changed, { code: 'E_BUNDLE_SOURCE' });
  t.true(changed.message.includes(source));
  const stopping = new AbortController();
  stopping.abort(new Error('Ctrl-C'));
  t.is((await failure(t, path.join(parent, 'stick'), [facts], stopping.signal)).message, 'Ctrl-C');
  t.deepEqual(await readdir(parent), ['source']);
});
