import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import test, { type ExecutionContext } from 'ava';
import { ShipError } from '../../../src/errors.ts';
import { type Connection, type UploadSource, connect } from '../../../src/host/ssh/connection.ts';
import { Link } from '../../support/hosts/link.ts';
import { Sshd, plainUser } from '../../support/ssh/sshd.ts';

let sshd: Sshd;
let connection: Connection;
let folders = 0;
test.before(async () => {
  sshd = await Sshd.start();
  const client = await sshd.client();
  connection = await connect(client.context, client.host);
});
test.after.always(async () => {
  await connection.close();
  await sshd.stop();
});

const mebibyte = 1024 * 1024;

async function folder(): Promise<string> {
  const directory = path.join(sshd.directory, `target-${folders++}`);
  await mkdir(directory);
  return directory;
}

/** Bytes that repeat nowhere soon, in chunks of the given sizes; `hash` is of what was given out. */
function source(sizeBytes: number, chunkSizes: readonly number[] = [65_536]): UploadSource & { hash(): string } {
  const hash = createHash('sha256');
  // eslint-disable-next-line @typescript-eslint/require-await
  async function* chunks() {
    let state = 1;
    for (let given = 0, index = 0; given < sizeBytes; index++) {
      const chunk = Buffer.alloc(Math.min(chunkSizes[index % chunkSizes.length]!, sizeBytes - given));
      for (let at = 0; at + 4 <= chunk.length; at += 4) chunk.writeUInt32LE((state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0), at);
      hash.update(chunk);
      given += chunk.length;
      yield chunk;
    }
  }
  return { sizeBytes, chunks: chunks(), hash: () => hash.digest('hex') };
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

async function failed(t: ExecutionContext, promise: Promise<unknown>): Promise<ShipError> {
  return t.throwsAsync(promise, { instanceOf: ShipError });
}

test('64 MiB arrive bit by bit, with progress, mode and nothing beside them', async (t) => {
  const directory = await folder();
  const file = path.join(directory, 'image.tar');
  const big = source(64 * mebibyte, [100_000, 1, 32_768, 300_001]);
  const progress: number[] = [];
  await connection.files.upload(big, file, { mode: 0o644, onProgress: (bytes) => progress.push(bytes) });
  t.is(await sha256(file), big.hash());
  t.is(progress.at(-1), 64 * mebibyte);
  t.true(progress.every((bytes, index) => index === 0 || bytes > progress[index - 1]!));
  t.deepEqual(await readdir(directory), ['image.tar']);
  t.like(await connection.files.stat(file), { kind: 'file', sizeBytes: 64 * mebibyte, mode: 0o644, uid: 0 });
});

test('memory stays bounded on a slow link: a source is not read ahead of the host', async (t) => {
  await using link = await Link.to(sshd.port);
  const client = await sshd.client({ config: [`Port ${link.port}`, `HostKeyAlias [127.0.0.1]:${sshd.port}`] });
  const own = await connect(client.context, client.host);
  let givenBytes = 0;
  // eslint-disable-next-line @typescript-eslint/require-await
  async function* counted() {
    for (let index = 0; index < 1024; index++) {
      givenBytes += 65_536;
      yield Buffer.alloc(65_536);
    }
  }
  const file = path.join(await folder(), 'file');
  const upload = own.files.upload({ sizeBytes: 64 * mebibyte, chunks: counted() }, file, {
    onProgress: (doneBytes) => {
      t.true(givenBytes - doneBytes <= 2 * mebibyte + 2 * 65_536);
      if (doneBytes > 8 * mebibyte) link.cut();
    },
  });
  t.is((await failed(t, upload)).code, 'E_CONNECTION_LOST');
  t.true(givenBytes < 16 * mebibyte);
  await own.close();
});

test('an empty file, and small content from text or bytes, replace what was there', async (t) => {
  const file = path.join(await folder(), 'file');
  await connection.files.writeFile(file, 'long text before');
  t.like(await connection.files.stat(file), { mode: 0o600 });
  await connection.files.writeFile(file, 'é\n', { mode: 0o640 });
  t.is((await connection.files.readFile(file)).toString(), 'é\n');
  t.like(await connection.files.stat(file), { mode: 0o640 });
  await connection.files.writeFile(file, Uint8Array.of(0, 255));
  t.deepEqual([...(await connection.files.readFile(file))], [0, 255]);
  await connection.files.upload(source(0), file);
  t.like(await connection.files.stat(file), { sizeBytes: 0 });
  t.is((await connection.files.readFile(file)).length, 0);
});

test('a full disk is named with path and host, and nothing stays', async (t) => {
  const directory = await folder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', directory]);
  try {
    // The server's mount namespace is older than this mount: a server that knows it.
    await using inside = await Sshd.start();
    const client = await inside.client();
    const own = await connect(client.context, client.host);
    const error = await failed(t, own.files.upload(source(16 * mebibyte), path.join(directory, 'image.tar')));
    t.is(error.code, 'E_HOST_DISK_FULL');
    t.true(error.message.includes(path.join(directory, 'image.tar')) && error.message.includes('device'), error.message);
    t.true(error.remedy?.includes(`df -h ${directory}`));
    t.deepEqual(await readdir(directory), []);
    await own.files.upload(source(4 * mebibyte), path.join(directory, 'image.tar'));
    t.deepEqual(await readdir(directory), ['image.tar'], 'the connection is still good');
    await own.close();
  } finally {
    execFileSync('umount', [directory]);
  }
});

test('a source that is longer or shorter than it said leaves the old file alone', async (t) => {
  const directory = await folder();
  const file = path.join(directory, 'file');
  await connection.files.writeFile(file, 'old');
  for (const sizeBytes of [99_999, 100_001]) {
    const error = await failed(t, connection.files.upload({ sizeBytes, chunks: source(100_000).chunks }, file));
    t.is(error.code, 'E_UPLOAD_SIZE');
  }
  t.deepEqual(await readdir(directory), ['file']);
  t.is((await connection.files.readFile(file)).toString(), 'old');
});

test('a source that fails while it is read: its own error, and nothing stays', async (t) => {
  const directory = await folder();
  async function* broken() {
    yield* source(mebibyte).chunks;
    throw new ShipError({ code: 'E_SAMPLE', message: 'The archive is truncated' });
  }
  const error = await failed(t, connection.files.upload({ sizeBytes: 2 * mebibyte, chunks: broken() }, path.join(directory, 'file')));
  t.is(error.code, 'E_SAMPLE');
  t.deepEqual(await readdir(directory), []);
});

test('interrupted: the temporary file is gone before the error is there', async (t) => {
  const directory = await folder();
  const controller = new AbortController();
  const client = await sshd.client();
  const own = await connect({ ...client.context, signal: controller.signal }, client.host);
  const upload = own.files.upload(source(64 * mebibyte), path.join(directory, 'file'), {
    onProgress: (bytes) => {
      if (bytes > 4 * mebibyte) controller.abort();
    },
  });
  t.is((await failed(t, upload)).code, 'E_INTERRUPTED');
  t.deepEqual(await readdir(directory), []);
  await own.close();
});

test('folders: made with their parents once, listed, renamed over others, removed with all they hold', async (t) => {
  const directory = await folder();
  const { files } = connection;
  const deep = path.join(directory, 'a', 'b');
  await files.makeDirectory(deep, { mode: 0o700 });
  await files.makeDirectory(deep, { mode: 0o755 });
  t.like(await files.stat(deep), { kind: 'directory', mode: 0o700 });
  await files.writeFile(path.join(deep, 'two'), '2');
  await files.writeFile(path.join(deep, 'one'), '1');
  t.deepEqual(await files.list(deep), ['one', 'two']);
  await files.rename(path.join(deep, 'one'), path.join(deep, 'two'));
  t.is((await files.readFile(path.join(deep, 'two'))).toString(), '1');

  await writeFile(path.join(directory, 'outside'), 'stays');
  await symlink(path.join(directory, 'outside'), path.join(deep, 'link'));
  await files.remove(path.join(directory, 'a'));
  await files.remove(path.join(directory, 'a'));
  t.deepEqual(await readdir(directory), ['outside']);
  t.is(await files.stat(path.join(directory, 'a')), undefined);
});

test('what is missing or not permitted is named', async (t) => {
  const directory = await folder();
  const missing = await failed(t, connection.files.readFile(path.join(directory, 'none')));
  t.is(missing.code, 'E_REMOTE_FILE');
  t.is(missing.message, `Cannot read ${directory}/none on device: no such file or directory`);
  const parent = await failed(t, connection.files.upload(source(1), path.join(directory, 'none', 'file')));
  t.is(parent.code, 'E_REMOTE_FILE');

  const client = await sshd.client();
  const own = await connect(client.context, { ...client.host, user: plainUser.name });
  const denied = await failed(t, own.files.writeFile(path.join(directory, 'file'), 'x'));
  t.is(denied.message, `Cannot write ${directory}/file on device: 'deploy' may not do that`);
  await own.close();
});

test('a server without SFTP', async (t) => {
  await using bare = await Sshd.start({ sftp: false });
  const client = await bare.client();
  const own = await connect(client.context, client.host);
  const error = await failed(t, own.files.list('/'));
  t.is(error.code, 'E_NO_SFTP');
  t.is(error.exitStatus, 3);
  t.is((await own.run(['echo', 'still here'])).stdout, 'still here');
  await own.close();
});
