import { execFile } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';

const entrypoint = path.join(import.meta.dirname, '../../dockerfiles/prosody/entrypoint.sh');

async function certificatesDirectory(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'prose-ship-entrypoint-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Runs the entrypoint of the image as it is, with a command that only says that it was reached. */
async function start(directory: string, domains: string, more: Readonly<Record<string, string>> = {}): Promise<{ status: number; stdout: string; stderr: string }> {
  const env = { ...process.env, PROSE_SHIP_CERTIFICATES: directory, PROSE_SHIP_DOMAINS: domains, ...more };
  return await new Promise((resolve) => {
    const child = execFile('sh', [entrypoint, 'echo', 'command reached'], { env }, (_error, stdout, stderr) =>
      resolve({ status: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

test('each domain gets an ECDSA certificate of its own name and a private key', async (t) => {
  const directory = await certificatesDirectory(t);
  const long = `${'a'.repeat(60)}.example.org`;
  const { status, stdout } = await start(directory, `chat.example ${long}`);
  t.is(status, 0);
  t.true(stdout.endsWith('command reached\n'));
  t.deepEqual((await readdir(directory)).sort(), [`${long}.crt`, `${long}.key`, 'chat.example.crt', 'chat.example.key']);
  for (const domain of ['chat.example', long]) {
    const certificate = new X509Certificate(await readFile(path.join(directory, `${domain}.crt`)));
    t.is(certificate.subjectAltName, `DNS:${domain}`);
    t.is(certificate.checkHost(domain), domain);
    t.is(certificate.publicKey.asymmetricKeyType, 'ec');
    t.is((await stat(path.join(directory, `${domain}.key`))).mode & 0o777, 0o600);
    t.regex(await readFile(path.join(directory, `${domain}.key`), 'utf8'), /^-----BEGIN PRIVATE KEY-----/);
  }
});

test('a certificate that is there is kept; an interrupted attempt, a key alone, is made anew', async (t) => {
  const directory = await certificatesDirectory(t);
  await writeFile(path.join(directory, 'mine.example.crt'), 'mine');
  await writeFile(path.join(directory, 'mine.example.key'), 'mine');
  await writeFile(path.join(directory, 'half.example.key'), 'half');
  t.is((await start(directory, 'mine.example half.example')).status, 0);
  t.is(await readFile(path.join(directory, 'mine.example.crt'), 'utf8'), 'mine');
  t.is(await readFile(path.join(directory, 'mine.example.key'), 'utf8'), 'mine');
  t.not(await readFile(path.join(directory, 'half.example.key'), 'utf8'), 'half');
  t.deepEqual((await readdir(directory)).length, 4);
});

test('what is given its name is on the disk by then; what a power cut left empty is made anew', async (t) => {
  const directory = await certificatesDirectory(t);
  const [programs, log] = [path.join(directory, 'programs'), path.join(directory, 'log')];
  await mkdir(programs);
  for (const name of ['sync', 'mv']) {
    await writeFile(path.join(programs, name), `#!/bin/sh\necho "${name} $*" | sed 's,${directory}/*,,g' >>'${log}'\nexec /usr/bin/${name} "$@"\n`, { mode: 0o755 });
  }
  await writeFile(path.join(directory, 'chat.example.crt'), 'of a key that is lost');
  await writeFile(path.join(directory, 'chat.example.key'), '');
  const started = await start(directory, 'chat.example', { PATH: `${programs}:${process.env['PATH'] ?? ''}` });
  t.is(started.status, 0, started.stderr);
  t.true(new X509Certificate(await readFile(path.join(directory, 'chat.example.crt'))).checkPrivateKey(createPrivateKey(await readFile(path.join(directory, 'chat.example.key')))));
  t.deepEqual((await readFile(log, 'utf8')).trimEnd().split('\n'), [
    'sync .chat.example.key.new .chat.example.crt.new',
    'mv -f .chat.example.key.new chat.example.key',
    'mv -f .chat.example.crt.new chat.example.crt',
    'sync',
  ]);
});

test('what cannot work is refused before the server starts', async (t) => {
  const directory = await certificatesDirectory(t);
  await writeFile(path.join(directory, 'lonely.example.crt'), 'mine');
  for (const [domains, pattern] of [
    ['../../etc/passwd', /'\.\.\/\.\.\/etc\/passwd' is not a domain name/],
    ['-subj', /'-subj' is not a domain name/],
    ['lonely.example', /lonely\.example\.crt has no key beside it/],
  ] as const) {
    const { status, stdout, stderr } = await start(directory, domains);
    t.is(status, 1);
    t.regex(stderr, pattern);
    t.false(stdout.includes('command reached'));
  }
});

test("the database's password is in a file for the server alone, whatever it consists of", async (t) => {
  const directory = await certificatesDirectory(t);
  const [secret, passFile] = [path.join(directory, 'secret'), path.join(directory, 'pgpass')];
  await writeFile(secret, 'a:b\\c d');
  const started = await start(directory, '', { PROSE_SHIP_PGPASSWORD_FILE: secret, PGPASSFILE: passFile });
  t.is(started.status, 0, started.stderr);
  t.is(await readFile(passFile, 'utf8'), '*:*:*:*:a\\:b\\\\c d\n');
  t.is((await stat(passFile)).mode & 0o777, 0o600);
  const missing = await start(directory, '', { PROSE_SHIP_PGPASSWORD_FILE: `${secret}-gone`, PGPASSFILE: passFile });
  t.is(missing.status, 1);
  t.regex(missing.stderr, /the password of the database is missing: \S+secret-gone/);
});

test('the command waits for what it needs', async (t) => {
  const directory = await certificatesDirectory(t);
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  const late = setTimeout(() => server.listen(port, '127.0.0.1'), 1_000);
  t.teardown(() => {
    clearTimeout(late);
    server.close();
  });
  const before = Date.now();
  const { status, stdout, stderr } = await start(directory, '', { PROSE_SHIP_WAIT_FOR: `127.0.0.1:${port}` });
  t.is(status, 0, stderr);
  t.is(stdout, 'command reached\n');
  t.is(stderr, '');
  t.true(Date.now() - before > 900);
});
