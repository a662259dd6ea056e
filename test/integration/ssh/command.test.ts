import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable, Writable } from 'node:stream';
import test from 'ava';
import { ShipError } from '../../../src/errors.ts';
import type { ShipEvent } from '../../../src/events.ts';
import { type Connection, connect } from '../../../src/host/ssh/connection.ts';
import { SecretRegistry } from '../../../src/secret.ts';
import { Link } from '../../support/hosts/link.ts';
import { Sshd, plainUser } from '../../support/ssh/sshd.ts';

let sshd: Sshd;
let connection: Connection;
test.before(async () => {
  sshd = await Sshd.start({ config: ['MaxSessions 60'] });
  const client = await sshd.client();
  connection = await connect(client.context, client.host);
});
test.after.always(async () => {
  await connection.close();
  await sshd.stop();
});

/** How many processes of the server have this word on their command line. */
async function running(word: string, on = connection): Promise<number> {
  const script = 'for f in /proc/[0-9]*/cmdline; do tr "\\0" " " <"$f" 2>/dev/null; echo; done';
  const { stdout } = await on.run(['sh', '-c', script]);
  return stdout.split('\n').filter((line) => line.includes(word)).length;
}

/** A command that says that it runs and then sleeps for a number of seconds that no other test uses. */
function sleeper(seconds: number): string[] {
  return ['sh', '-c', `echo started; sleep ${seconds}; echo over`];
}

test('every argument arrives as it is', async (t) => {
  const words = ["it's", '', ' two  words ', '$HOME `id` $(id)', '"quoted"', 'back\\slash', 'new\nline', '*', '~', '-n', 'é€😀', '!!', '#', ';&|<>'];
  const { stdout } = await connection.run(['printf', '[%s]', ...words]);
  t.is(stdout, words.map((word) => `[${word}]`).join(''));
});

test('both streams, each by itself, and lines of both as they come', async (t) => {
  const lines: string[] = [];
  const command = ['sh', '-c', 'echo one; echo two >&2; printf three; exit 7'];
  const result = await connection.run(command, { expect: [7], onLine: (line) => lines.push(line) });
  t.deepEqual(result, { exitCode: 7, stdout: 'one\nthree', stderr: 'two' });
  t.deepEqual(lines.toSorted(), ['one', 'three', 'two']);
});

test('standard output of any size flows into a stream at its pace, byte for byte', async (t) => {
  const hash = createHash('sha256');
  let bytes = 0;
  const output = new Writable({
    write: (chunk: Buffer, _, done) => {
      hash.update(chunk);
      bytes += chunk.length;
      setImmediate(done);
    },
  });
  const script = 'head -c 50000000 /dev/zero | tr "\\0" "\\377"; echo warned >&2; exit 5';
  const result = await connection.run(['sh', '-c', script], { output, expect: [5] });
  t.deepEqual(result, { exitCode: 5, stdout: '', stderr: 'warned' });
  t.is(bytes, 50_000_000);
  t.is(hash.digest('hex'), createHash('sha256').update(Buffer.alloc(50_000_000, 0xff)).digest('hex'));
});

test('a stream that cannot take more ends the command', async (t) => {
  const output = new Writable({ write: (_chunk, _encoding, done) => done(new Error('no space left')) });
  await t.throwsAsync(connection.run(['sh', '-c', 'while :; do echo unread-4711; sleep 0.1; done'], { output }), { message: 'no space left' });
  t.is(await running('unread-4711'), 0);
});

test('characters of several bytes survive, wherever the network cuts them', async (t) => {
  const { stdout } = await connection.run(['sh', '-c', 'i=0; while [ $i -lt 20000 ]; do printf "€é😀"; i=$((i+1)); done']);
  t.is(stdout, '€é😀'.repeat(20_000));
});

test('standard input: empty by default, text, bytes, a stream', async (t) => {
  const cat = async (input?: string | Uint8Array | Readable) =>
    (await connection.run(['cat'], input === undefined ? {} : { input })).stdout;
  t.is(await cat(), '');
  t.is(await cat('text é'), 'text é');
  t.is(await cat(Buffer.from('bytes').subarray(1)), 'ytes');
  t.is(await cat(Readable.from(['a', 'b'])), 'ab');
  t.is(await cat(''), '');
});

test('input that fails while it is read ends the command with that error', async (t) => {
  // eslint-disable-next-line @typescript-eslint/require-await
  async function* broken() {
    yield 'first';
    throw new Error('the disk fell off');
  }
  const error = await t.throwsAsync(connection.run(['sh', '-c', 'cat >/dev/null; sleep 71001'], { input: Readable.from(broken()) }));
  t.is(error.message, 'the disk fell off');
  t.is(await running('71001'), 0);
});

test('a command that fails: host, status and last lines', async (t) => {
  const error = await t.throwsAsync(connection.run(['sh', '-c', 'seq 30; echo no such thing >&2; exit 3']), { instanceOf: ShipError });
  t.is(error.code, 'E_REMOTE_COMMAND_FAILED');
  t.true(error.message.endsWith('on device failed with exit status 3'), error.message);
  t.true(error.output?.endsWith('30\n\nno such thing') || error.output?.endsWith('30\nno such thing'), error.output);
  t.false(error.output?.split('\n').includes('5'));
});

test('a program that is not there, and one that is killed', async (t) => {
  await t.throwsAsync(connection.run(['no-such-program']), { code: 'E_REMOTE_COMMAND_FAILED', message: /exit status 127/ });
  await t.throwsAsync(connection.run(['sh', '-c', 'kill -9 $$']), { code: 'E_REMOTE_COMMAND_FAILED', message: /was ended by SIGKILL/ });
});

test('secrets are shown nowhere', async (t) => {
  const events: ShipEvent[] = [];
  const lines: string[] = [];
  const secrets = new SecretRegistry();
  secrets.add('hunter2-hunter2');
  const client = await sshd.client();
  const own = await connect({ ...client.context, secrets, emit: (event) => events.push(event) }, client.host);
  const command = ['sh', '-c', 'read line; echo "got $line"; echo "bad $line" >&2; exit 1', 'hunter2-hunter2'];
  const error = await t.throwsAsync(own.run(command, { input: 'hunter2-hunter2\n', onLine: (line) => lines.push(line) }), { instanceOf: ShipError });
  await own.close();
  t.deepEqual(lines.toSorted(), ['bad [secret]', 'got [secret]']);
  t.false(JSON.stringify([events, error, error.message]).includes('hunter2'));
  t.true(JSON.stringify(events).includes('device$ sh -c'));
});

test('too long: ended with all that it started', async (t) => {
  const error = await t.throwsAsync(connection.run(sleeper(72001), { timeoutMs: 500 }), { instanceOf: ShipError });
  t.is(error.code, 'E_TIMEOUT');
  t.is(await running('72001'), 0);
});

test('interrupted: ended with all that it started, and the connection stays good', async (t) => {
  const controller = new AbortController();
  const client = await sshd.client();
  const own = await connect({ ...client.context, signal: controller.signal }, client.host);
  let found = 0;
  const look = async () => {
    found = await running('73001');
    controller.abort();
  };
  const run = own.run(sleeper(73001), { onLine: () => void look() });
  await t.throwsAsync(run, { instanceOf: ShipError, code: 'E_INTERRUPTED' });
  t.true(found > 0, 'it was there');
  t.is(await running('73001'), 0);
  await t.throwsAsync(own.run(['true']), { code: 'E_INTERRUPTED' });
  await own.close();
});

test('what does not end by SIGTERM is killed', async (t) => {
  const command = ['sh', '-c', 'trap "" TERM; echo started; while :; do sleep 1; done # 74001'];
  await t.throwsAsync(connection.run(command, { timeoutMs: 500 }), { code: 'E_TIMEOUT' });
  t.is(await running('74001'), 0);
});

test('a link that is cut under a command', async (t) => {
  await using link = await Link.to(sshd.port);
  const client = await sshd.client({ config: [`Port ${link.port}`, `HostKeyAlias [127.0.0.1]:${sshd.port}`] });
  const own = await connect(client.context, client.host);
  const run = own.run(sleeper(75001), { onLine: () => link.cut() });
  await t.throwsAsync(run, { instanceOf: ShipError, code: 'E_CONNECTION_LOST' });
  await t.throwsAsync(own.run(['true']), { code: 'E_CONNECTION_LOST' });
  await own.close();
});

test('a link that goes dead without a word is noticed', async (t) => {
  await using link = await Link.to(sshd.port);
  const client = await sshd.client({
    config: [`Port ${link.port}`, `HostKeyAlias [127.0.0.1]:${sshd.port}`, 'ServerAliveInterval 1', 'ServerAliveCountMax 2'],
  });
  const own = await connect(client.context, client.host);
  const startedAt = performance.now();
  const run = own.run(sleeper(76001), { onLine: () => link.stall() });
  const error = await t.throwsAsync(run, { instanceOf: ShipError, code: 'E_CONNECTION_LOST' });
  t.true(error.message.includes('Keepalive timeout'), error.message);
  t.true(performance.now() - startedAt < 30_000);
  await own.close();
});

test('root by sudo: as argv, on the login that is not root', async (t) => {
  const { directory, log } = await fakeSudo('exec "$@"');
  await using own = await plainLogin(directory);
  const { stdout } = await own.connection.run(['printf', '[%s]', "it's", '--'], { sudo: true });
  t.is(stdout, "[it's][--]");
  t.deepEqual(await log(), ['true', "printf [%s] it's --"]);
  await own.connection.run(['id'], {});
  await own.connection.run(['id'], { sudo: true });
  t.deepEqual((await log()).slice(2), ['id'], 'tried only once, and used only where asked for');
});

test('an interrupted sudo command is ended by sudo', async (t) => {
  const { directory, log } = await fakeSudo('exec "$@"');
  await using own = await plainLogin(directory);
  await t.throwsAsync(own.connection.run(sleeper(77001), { sudo: true, timeoutMs: 500 }), { code: 'E_TIMEOUT' });
  t.is(await running('77001', own.connection), 0);
  t.regex((await log()).at(-1) ?? '', /^sh -c kill -s TERM/);
});

test('sudo that asks for a password, or is not there', async (t) => {
  const refusing = await fakeSudo('echo "sudo: a password is required" >&2; exit 1');
  const missing = await fakeSudo(undefined);
  for (const [sudo, output] of [[refusing, /a password is required/], [missing, /not found/]] as const) {
    await using own = await plainLogin(sudo.directory);
    const error = await t.throwsAsync(own.connection.run(['id'], { sudo: true }), { instanceOf: ShipError });
    t.is(error.code, 'E_NO_SUDO');
    t.is(error.exitStatus, 3);
    t.true(error.remedy?.includes('deploy ALL=(ALL) NOPASSWD: ALL'));
    t.regex(error.output ?? '', output);
  }
});

test('root needs no sudo', async (t) => {
  t.is((await connection.run(['id', '-u'], { sudo: true })).stdout, '0');
});

/** A `sudo` that writes down what it is asked for. It cannot make anyone root, which is not needed here. */
async function fakeSudo(then: string | undefined): Promise<{ directory: string; log: () => Promise<string[]> }> {
  const directory = path.join(sshd.directory, `sudo-${fakes++}`);
  const log = path.join(directory, 'log');
  await mkdir(directory);
  await writeFile(log, '');
  await chmod(log, 0o666);
  if (then !== undefined) {
    const script = `#!/bin/sh\n[ "$1 $2" = "-n --" ] || exit 99\nshift 2\nprintf '%s\\n' "$*" >>${log}\n${then}\n`;
    await writeFile(path.join(directory, 'sudo'), script, { mode: 0o755 });
  }
  return { directory, log: async () => (await readFile(log, 'utf8')).trim().split('\n') };
}

let fakes = 0;

/** A server on which `sudo` is the one of the directory, and a login there. */
async function plainLogin(directory: string): Promise<AsyncDisposable & { connection: Connection }> {
  // The machine's own sudo, if it has one, is out of the way: the programs that tests need are linked by name.
  const server = await Sshd.start({ config: [`SetEnv PATH=${directory}:${await programsWithoutSudo(directory)}`] });
  const client = await server.client();
  const own = await connect(client.context, { ...client.host, user: plainUser.name });
  return {
    connection: own,
    async [Symbol.asyncDispose]() {
      await own.close();
      await server.stop();
    },
  };
}

async function programsWithoutSudo(directory: string): Promise<string> {
  const programs = path.join(directory, 'programs');
  await mkdir(programs);
  for (const name of ['sh', 'id', 'true', 'printf', 'sleep', 'kill', 'tr']) {
    await symlink(`/usr/bin/${name}`, path.join(programs, name));
  }
  return programs;
}
