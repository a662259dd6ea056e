import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, writeFile, mkdir } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { provideSource } from '../../src/build/sources.ts';
import { createContext } from '../../src/context.ts';
import { ShipError, interrupted } from '../../src/errors.ts';

const execute = promisify(execFile);

async function temporaryDirectory(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'prose-ship-test-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

async function serve(t: ExecutionContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${String((server.address() as { port: number }).port)}`;
}

async function sampleTar(directory: string): Promise<Buffer> {
  await mkdir(path.join(directory, 'sample-1.0'), { recursive: true });
  await writeFile(path.join(directory, 'sample-1.0/Dockerfile'), 'FROM scratch\n');
  await execute('tar', ['-cf', path.join(directory, 'sample.tar'), '-C', directory, 'sample-1.0']);
  return readFile(path.join(directory, 'sample.tar'));
}

const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');

test('a local folder is used where it is', async (t) => {
  const directory = await temporaryDirectory(t);
  t.is(await provideSource(createContext({ cacheDirectory: directory }), { kind: 'local', directory }), directory);
  const error = await t.throwsAsync(
    provideSource(createContext(), { kind: 'local', directory: `${directory}/absent` }),
    { instanceOf: ShipError, code: 'E_SOURCE_MISSING' },
  );
  t.is(error.exitStatus, 3);
});

test('a commit of a repository is checked out alone, without .git, and kept', async (t) => {
  const directory = await temporaryDirectory(t);
  const repository = path.join(directory, 'repository');
  const git = async (...args: string[]) =>
    (await execute('git', ['-C', repository, '-c', 'user.name=A', '-c', 'user.email=a@example.org', ...args])).stdout.trim();
  await mkdir(path.join(repository, 'server'), { recursive: true });
  await git('init', '--quiet');
  await git('config', 'uploadpack.allowAnySHA1InWant', 'true');
  await writeFile(path.join(repository, 'server/file'), 'first');
  await git('add', '.');
  await git('commit', '--quiet', '-m', 'First');
  const commit = await git('rev-parse', 'HEAD');
  await writeFile(path.join(repository, 'server/file'), 'second');
  await git('commit', '--quiet', '-am', 'Second');

  const context = createContext({ cacheDirectory: path.join(directory, 'cache') });
  const source = { kind: 'git', url: repository, commit, subdirectory: 'server' } as const;
  const provided = await provideSource(context, source);
  t.is(await readFile(path.join(provided, 'file'), 'utf8'), 'first');
  t.deepEqual(await readdir(path.dirname(provided)), ['server']);

  await rm(repository, { recursive: true });
  t.is(await provideSource(context, source), provided, 'the second time comes from the cache');
});

test('a commit that is not there, or not whole, is refused', async (t) => {
  const directory = await temporaryDirectory(t);
  await execute('git', ['init', '--quiet', directory]);
  const context = createContext({ cacheDirectory: path.join(directory, 'cache') });
  for (const commit of ['main', '0123456', '0'.repeat(39) + '1']) {
    const error = await t.throwsAsync(provideSource(context, { kind: 'git', url: directory, commit }), {
      instanceOf: ShipError,
      code: 'E_SOURCE_COMMIT',
    });
    t.true(error.message.includes(commit));
  }
  t.deepEqual(await readdir(path.join(directory, 'cache/sources')), []);
});

for (const [name, compress] of [
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
  ['no compression', (content: Buffer) => content],
] as const) {
  test(`an archive is downloaded, checked and unpacked: ${name}`, async (t) => {
    const directory = await temporaryDirectory(t);
    const archive = compress(await sampleTar(directory));
    let requests = 0;
    const origin = await serve(t, (request, response) => {
      requests++;
      if (request.url === '/moved') response.writeHead(302, { location: '/archive' }).end();
      else response.end(archive);
    });
    const context = createContext({ cacheDirectory: path.join(directory, 'cache') });
    const source = { kind: 'url', url: `${origin}/moved`, sha256: sha256(archive) } as const;
    let doneBytes = 0;
    const provided = await provideSource(context, source, (done) => (doneBytes = done));
    t.is(await readFile(path.join(provided, 'Dockerfile'), 'utf8'), 'FROM scratch\n');
    t.is(path.basename(provided), 'sample-1.0');
    t.is(doneBytes, archive.length);
    t.is(await provideSource(context, source), provided);
    t.is(requests, 2);
    t.deepEqual(await readdir(path.join(directory, 'cache/sources')), [`url-${source.sha256}`]);
  });
}

test('a changed, missing, cut-off or broken archive leaves nothing behind', async (t) => {
  const directory = await temporaryDirectory(t);
  const archive = gzipSync(await sampleTar(directory));
  const broken = archive.subarray(0, archive.length - 20);
  const origin = await serve(t, (request, response) => {
    if (request.url === '/gone') response.writeHead(404).end('no');
    else if (request.url === '/cut') {
      response.writeHead(200, { 'content-length': String(archive.length) });
      response.write(archive.subarray(0, 50), () => response.destroy());
    } else response.end(request.url === '/broken' ? broken : archive);
  });
  const cacheDirectory = path.join(directory, 'cache');
  const provide = (name: string, sum: string) =>
    provideSource(createContext({ cacheDirectory }), { kind: 'url', url: `${origin}/${name}`, sha256: sum });
  const refused = (code: string, name: string, sum: string) => t.throwsAsync(provide(name, sum), { instanceOf: ShipError, code });

  const error = await refused('E_CHECKSUM', 'archive', '0'.repeat(64));
  t.true(error.message.includes(sha256(archive)) && error.message.includes('0'.repeat(64)));
  t.regex((await refused('E_DOWNLOAD', 'gone', sha256(archive))).message, /404/);
  await refused('E_DOWNLOAD', 'cut', sha256(archive));
  await refused('E_SOURCE_ARCHIVE', 'broken', sha256(broken));
  t.deepEqual(await readdir(path.join(cacheDirectory, 'sources')), []);
});

test('an interrupted download ends at once', async (t) => {
  const directory = await temporaryDirectory(t);
  const controller = new AbortController();
  const origin = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '1000000' });
    response.write('some', () => controller.abort(interrupted()));
  });
  const context = createContext({ cacheDirectory: directory, signal: controller.signal });
  const error = await t.throwsAsync(provideSource(context, { kind: 'url', url: origin, sha256: '0'.repeat(64) }), { instanceOf: ShipError });
  t.is(error.code, 'E_INTERRUPTED');
  t.deepEqual(await readdir(path.join(directory, 'sources')).catch(() => []), []);
});
