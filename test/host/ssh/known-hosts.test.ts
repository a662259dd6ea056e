import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import {
  type HostKey,
  appendKnownHost,
  checkHostKey,
  fingerprint,
  hostKeyOf,
  knownHostName,
  knownKeyTypes,
  parseKnownHosts,
  readKnownHosts,
} from '../../../src/host/ssh/known-hosts.ts';

let directory: string;
test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'prose-ship-known-hosts-'));
});
test.after.always(() => rm(directory, { recursive: true, force: true }));

/** A key blob of a type with any content: nothing here looks further in. */
function key(type: string, content: string): HostKey {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(type.length);
  return hostKeyOf(Buffer.concat([size, Buffer.from(type), Buffer.from(content)]));
}

const ed = key('ssh-ed25519', 'the key');
const otherEd = key('ssh-ed25519', 'another key');
const rsa = key('ssh-rsa', 'the key');
const line = (hosts: string, { type, blob }: HostKey) => `${hosts} ${type} ${blob.toString('base64')}`;
const entries = (...lines: string[]) => parseKnownHosts(lines.join('\n'), '/known_hosts');

test('names: plain, with port, lists, case', (t) => {
  const known = entries('# a comment', '', line('one.example,10.0.0.2,[two.example]:2222', ed), 'nonsense', '  ');
  for (const [host, port] of [['one.example', 22], ['ONE.example', 22], ['10.0.0.2', 22], ['two.example', 2222]] as const) {
    t.deepEqual(checkHostKey(known, knownHostName(host, port), ed), { status: 'known' }, host);
  }
  for (const [host, port] of [['two.example', 22], ['two.example', 2223], ['three.example', 22], ['xone.example', 22]] as const) {
    t.deepEqual(checkHostKey(known, knownHostName(host, port), ed), { status: 'unknown' }, host);
  }
});

test('a name without port is good for other ports, but does not make their keys look changed', (t) => {
  const known = entries(line('one.example', ed));
  t.deepEqual(checkHostKey(known, '[one.example]:2222', ed), { status: 'known' });
  t.deepEqual(checkHostKey(known, '[one.example]:2222', otherEd), { status: 'unknown' });
});

test('wildcards and negation', (t) => {
  const known = entries(line('*.example,!bad.example,10.0.0.?', ed));
  t.is(checkHostKey(known, 'good.example', ed).status, 'known');
  t.is(checkHostKey(known, 'bad.example', ed).status, 'unknown');
  t.is(checkHostKey(known, '10.0.0.7', ed).status, 'known');
  t.is(checkHostKey(known, '10.0.0.77', ed).status, 'unknown');
  t.is(checkHostKey(known, 'goodXexample', ed).status, 'unknown', 'a dot is a dot');
});

test('another key of the same type has changed; the line is named', (t) => {
  const known = entries('# first', line('one.example', rsa), line('one.example', ed));
  t.deepEqual(checkHostKey(known, 'one.example', otherEd), { status: 'changed', place: { file: '/known_hosts', line: 3 } });
});

test('of several keys of a type any will do', (t) => {
  const known = entries(line('one.example', ed), line('one.example', otherEd));
  t.is(checkHostKey(known, 'one.example', otherEd).status, 'known');
});

test('a type of which nothing is known is unknown, but the other one is named', (t) => {
  const known = entries(line('one.example', rsa));
  t.deepEqual(checkHostKey(known, 'one.example', ed), { status: 'unknown', otherTypes: { file: '/known_hosts', line: 1 } });
  t.deepEqual(knownKeyTypes(known, 'one.example'), new Set(['ssh-rsa']));
  t.deepEqual(knownKeyTypes(known, '[one.example]:2222'), new Set(['ssh-rsa']));
});

test('a revoked key is revoked wherever it also stands', (t) => {
  const known = entries(line('one.example', ed), `@revoked ${line('*', ed)}`);
  t.deepEqual(checkHostKey(known, 'one.example', ed), { status: 'revoked', place: { file: '/known_hosts', line: 2 } });
  t.is(checkHostKey(known, '[one.example]:2222', ed).status, 'revoked');
  t.is(checkHostKey(known, 'one.example', otherEd).status, 'changed');
});

test('a certificate authority vouches for nothing here, and is named', (t) => {
  const known = entries(`@cert-authority ${line('*.example', ed)}`);
  t.deepEqual(checkHostKey(known, 'one.example', ed), { status: 'unknown', authority: { file: '/known_hosts', line: 1 } });
});

test('what ssh-keygen hashes is found, and what is appended ssh-keygen finds', async (t) => {
  const file = path.join(directory, 'deep', 'known_hosts');
  const privateKey = path.join(directory, 'key');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', privateKey]);
  const [, printed] = execFileSync('ssh-keygen', ['-lf', privateKey], { encoding: 'utf8' }).split(' ');
  const [, base64] = (await readFile(`${privateKey}.pub`, 'utf8')).split(' ');
  const real = hostKeyOf(Buffer.from(base64!, 'base64'));
  t.is(real.type, 'ssh-ed25519');
  t.is(fingerprint(real.blob), printed!);

  await appendKnownHost(file, '[one.example]:2222', real);
  t.is((await stat(file)).mode & 0o777, 0o600);
  t.is((await stat(path.dirname(file))).mode & 0o777, 0o700);
  execFileSync('ssh-keygen', ['-H', '-f', file], { stdio: 'ignore' });
  t.regex(await readFile(file, 'utf8'), /^\|1\|/);
  t.is(checkHostKey(await readKnownHosts([file]), '[one.example]:2222', real).status, 'known');

  await writeFile(file, '# no newline at the end');
  await appendKnownHost(file, 'two.example', real, { hashed: true });
  await appendKnownHost(file, 'three.example', real);
  const found = (host: string) => execFileSync('ssh-keygen', ['-F', host, '-f', file], { encoding: 'utf8' });
  t.true(found('two.example').includes('found: line 2'));
  t.true(found('three.example').includes('found: line 3'));
});

test('files that are not there hold nothing', async (t) => {
  t.deepEqual(await readKnownHosts([path.join(directory, 'none')]), []);
});
