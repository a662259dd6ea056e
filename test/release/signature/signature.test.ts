import { execFile } from 'node:child_process';
import { appendFile, chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { createContext } from '../../../src/context.ts';
import { ExitStatus, ShipError } from '../../../src/errors.ts';
import { keepSignature, signRelease } from '../../../src/release/signature/sign-release.ts';
import { sshSign } from '../../../src/release/signature/commands.ts';
import { parseSshSignature } from '../../../src/release/signature/ssh-signature.ts';
import { verifySignature } from '../../../src/release/signature/verify-signature.ts';
import { verifyRelease } from '../../../src/release/verify-release.ts';
import { packedRelease } from '../../support/releases/packed-release.ts';
import { signerLine, signingKey, signWithOpenSsh, writeSigners } from '../../support/ssh/signing-key.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const execute = promisify(execFile);
const environment = { PATH: process.env['PATH'], HOME: '/nonexistent' };
const context = createContext({ environment });

/** A folder with SHA256SUMS, which is all that signing looks at. */
async function release(content = 'sums\n'): Promise<string> {
  const directory = await temporaryDirectory('signed');
  await writeFile(path.join(directory, 'SHA256SUMS'), content);
  return directory;
}

async function signature(directory: string): Promise<string> {
  return readFile(path.join(directory, 'SHA256SUMS.sig'), 'utf8');
}

async function refusal(run: Promise<unknown>): Promise<ShipError> {
  const error = await run.then(() => undefined, (thrown: unknown) => thrown);
  if (error instanceof ShipError) return error;
  throw error instanceof Error ? error : new Error('it was accepted');
}

test('a signed release verifies, whole, and says who signed it', async (t) => {
  const { directory } = await packedRelease([{ 'etc/base': 'base\n' }]);
  const place = await temporaryDirectory('keys');
  const key = await signingKey(place, 'ci');
  await signRelease(context, directory, key);
  const signers = await writeSigners(path.join(place, 'signers'), await signerLine(key, 'ci@example.org', 'namespaces="prose-ship-release"'));
  await t.notThrowsAsync(verifyRelease(directory), 'the signature belongs to it');
  const signer = await verifySignature(context, directory, signers);
  const { stdout } = await execute('ssh-keygen', ['-l', '-f', `${key}.pub`]);
  t.deepEqual(signer, { principal: 'ci@example.org', keyType: 'ssh-ed25519', fingerprint: stdout.split(' ')[1]! });
  t.deepEqual(await verifySignature(context, directory), { keyType: 'ssh-ed25519', fingerprint: stdout.split(' ')[1]! }, 'nobody was asked for');
});

test('OpenSSH, which knows nothing of ours, agrees; and ours takes what OpenSSH signed', async (t) => {
  const place = await temporaryDirectory('keys');
  const key = await signingKey(place, 'ci');
  const signers = await writeSigners(path.join(place, 'signers'), await signerLine(key, 'ci@example.org'));
  const directory = await release();
  await signRelease(context, directory, key);
  const verify = `ssh-keygen -Y verify -n prose-ship-release -f '${signers}' -I ci@example.org -s SHA256SUMS.sig <SHA256SUMS`;
  t.regex((await execute('sh', ['-c', verify], { cwd: directory })).stdout, /^Good "prose-ship-release" signature for ci@example\.org/);
  const other = await release('other\n');
  await signWithOpenSsh(key, other);
  t.is((await verifySignature(context, other, signers))?.principal, 'ci@example.org');
});

test('who did not sign, or not for this, or not this, is refused by name', async (t) => {
  const place = await temporaryDirectory('keys');
  const [key, stranger] = [await signingKey(place, 'ci'), await signingKey(place, 'stranger')];
  const signersWith = async (name: string, options: string) => writeSigners(path.join(place, name), await signerLine(key, 'ci@example.org', options));
  const signers = await signersWith('signers', '');
  const directory = await release();
  const code = async (file = signers) => {
    const error = await refusal(verifySignature(context, directory, file));
    t.is(error.exitStatus, ExitStatus.preflight);
    t.truthy(error.remedy);
    return `${error.code}: ${error.message.slice(error.message.indexOf("' ") + 2)}`;
  };
  t.is(await verifySignature(context, directory), undefined, 'unsigned, and nobody asks');
  t.is(await code(), 'E_SIGNATURE_MISSING: is not signed');
  await signRelease(context, directory, key);
  t.regex(await code(await signersWith('expired', 'valid-before="20200101"')), /^E_SIGNATURE_EXPIRED: is signed by the key SHA256:\S+, which has expired: it was good until 2020-01-01/);
  t.regex(await code(await signersWith('early', 'valid-after="20990101"')), /^E_SIGNATURE_EXPIRED: .*is not good before 2099-01-01/);
  t.regex(await code(await signersWith('git', 'namespaces="git"')), /^E_SIGNATURE_NAMESPACE: is signed by ci@example\.org \(SHA256:\S+\), who may not sign for 'prose-ship-release'/);
  await appendFile(path.join(directory, 'SHA256SUMS'), 'one more\n');
  t.regex(await code(), /^E_SIGNATURE_DAMAGED: is not what was signed: its signature by SHA256:\S+ does not fit SHA256SUMS/);
  await signWithOpenSsh(key, directory, 'file');
  t.regex(await code(), /^E_SIGNATURE_NAMESPACE: has a signature that was made for 'file', not for 'prose-ship-release'/);
  await signRelease(context, directory, stranger);
  t.regex(await code(), /^E_SIGNATURE_SIGNER: is signed by the key SHA256:\S+, whom '.*signers' does not name/);
  const good = await signature(directory);
  for (const damaged of ['', good.slice(0, 120), good.replaceAll('SSH SIGNATURE', 'SSH PRESENT'), good.replace(/\n[A-Za-z0-9+/]{20}/, '\n@@@@@@@@@@@@@@@@@@@@')]) {
    await writeFile(path.join(directory, 'SHA256SUMS.sig'), damaged);
    t.regex(await code(), /^E_SIGNATURE_DAMAGED/);
    t.is((await refusal(verifySignature(context, directory))).code, 'E_SIGNATURE_DAMAGED', 'also where nobody asks who it was');
  }
});

test('an earlier line that has expired does not hide a later one that is good', async (t) => {
  const place = await temporaryDirectory('keys');
  const key = await signingKey(place, 'ci');
  const lines = [await signerLine(key, 'ci-2019@example.org', 'valid-before="20200101"'), await signerLine(key, 'ci@example.org')];
  const directory = await release();
  await signRelease(context, directory, key);
  t.is((await verifySignature(context, directory, await writeSigners(path.join(place, 'signers'), ...lines)))?.principal, 'ci@example.org');
});

test('Ed25519 and RSA sign the same bytes the same way; what ECDSA signed is kept where nothing changed', async (t) => {
  const place = await temporaryDirectory('keys');
  for (const type of ['ed25519', 'rsa'] as const) {
    const key = await signingKey(place, type, { type });
    const [one, two] = [await release(), await release()];
    await signRelease(context, one, key);
    await signRelease(context, two, key);
    t.is(await signature(one), await signature(two), type);
  }
  const key = await signingKey(place, 'ecdsa', { type: 'ecdsa' });
  const [before, same, other] = [await release(), await release(), await release('other\n')];
  await signRelease(context, before, key);
  await signRelease(context, same, key, before);
  t.is(await signature(same), await signature(before));
  await signRelease(context, other, key, before);
  t.is((await verifySignature(context, other))?.keyType, 'ecdsa-sha2-nistp256', 'other bytes are signed afresh');
  await signRelease(context, same, await signingKey(place, 'next'), before);
  t.is((await verifySignature(context, same))?.keyType, 'ssh-ed25519', 'and so it is by another key');
});

test('a release that is made again without a key keeps the signature of the same bytes only', async (t) => {
  const key = await signingKey(await temporaryDirectory('keys'), 'ci');
  const [before, same, other] = [await release(), await release(), await release('other\n')];
  await signRelease(context, before, key);
  await keepSignature(same, before);
  t.is(await signature(same), await signature(before));
  await keepSignature(other, before);
  t.is(await verifySignature(context, other), undefined);
});

test('packing again keeps the signature of what did not change, and drops that of what did', async (t) => {
  const place = await temporaryDirectory('again');
  const key = await signingKey(await temporaryDirectory('keys'), 'ci');
  const { directory } = await packedRelease([{ 'etc/base': 'one\n' }], '1.0.0', place);
  await signRelease(context, directory, key);
  const before = await signature(directory);
  t.true((await packedRelease([{ 'etc/base': 'one\n' }], '1.0.0', place)).unchanged);
  t.is(await signature(directory), before);
  t.false((await packedRelease([{ 'etc/base': 'two\n' }], '1.0.0', place)).unchanged);
  t.is(await verifySignature(context, directory), undefined);
});

test('a public key signs through the agent, a locked one through SSH_ASKPASS; no passphrase is ever an argument', async (t) => {
  const place = await temporaryDirectory('keys');
  const key = await signingKey(place, 'locked', { passphrase: 'correct horse' });
  const directory = await release();
  const locked = await refusal(signRelease(context, directory, key));
  t.is(locked.code, 'E_SIGN_FAILED');
  t.regex(locked.message, /locked, or not in the agent/);
  t.regex(locked.remedy ?? '', new RegExp(`ssh-add ${key}.*SSH_ASKPASS`));
  await t.throwsAsync(signature(directory), { code: 'ENOENT' }, 'nothing half-made stays');

  const askpass = path.join(place, 'askpass');
  await writeFile(askpass, "#!/bin/sh\necho 'correct horse'\n");
  await chmod(askpass, 0o755);
  const asking = createContext({ environment: { ...environment, SSH_ASKPASS: askpass } });
  await signRelease(asking, directory, key);
  const expected = await signature(directory);
  t.false(JSON.stringify(sshSign(key, directory, asking)).includes('horse'));

  const socket = path.join(place, 'agent');
  const agent = await execute('ssh-agent', ['-a', socket]);
  const pid = Number(/SSH_AGENT_PID=(\d+)/.exec(agent.stdout)![1]!);
  try {
    const withAgent = { ...environment, SSH_AUTH_SOCK: socket };
    await execute('ssh-add', ['-q', key], { env: { ...withAgent, SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force' } });
    await rm(key);
    await signRelease(createContext({ environment: withAgent }), directory, `${key}.pub`);
    t.is(await signature(directory), expected);
  } finally {
    process.kill(pid);
  }
  t.is((await refusal(signRelease(context, directory, `${key}.pub`))).code, 'E_SIGN_FAILED', 'the agent is gone');
});

test('what is no key is wrong usage', async (t) => {
  const place = await temporaryDirectory('keys');
  await writeFile(path.join(place, 'letter'), 'Dear reader\n');
  await mkdir(path.join(place, 'folder'));
  for (const name of ['letter', 'folder', 'nothing']) {
    const error = await refusal(signRelease(context, await release(), path.join(place, name)));
    t.is(error.code, 'E_SIGN_KEY', name);
    t.is(error.exitStatus, ExitStatus.usage);
    t.regex(error.remedy ?? '', /ssh-keygen -t ed25519/);
  }
});

test('reads signatures of the format that OpenSSH describes, and nothing else', (t) => {
  const wrap = (bytes: Buffer) => `-----BEGIN SSH SIGNATURE-----\n${bytes.toString('base64')}\n-----END SSH SIGNATURE-----\n`;
  const text = (value: string | Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(value.length);
    return Buffer.concat([length, Buffer.from(value)]);
  };
  const key = Buffer.concat([text('ssh-ed25519'), text(Buffer.alloc(32))]);
  const whole = Buffer.concat([Buffer.from('SSHSIG\0\0\0\x01'), text(key), text('some-namespace'), text(''), text('sha512'), text('')]);
  t.like(parseSshSignature(wrap(whole)), { keyType: 'ssh-ed25519', namespace: 'some-namespace', publicKey: key.toString('base64') });
  t.is(parseSshSignature(wrap(whole).replaceAll('\n', '\r\n'))?.namespace, 'some-namespace');
  for (let length = 0; length < 10 + 4 + key.length + 4 + 14; length += 1) t.is(parseSshSignature(wrap(whole.subarray(0, length))), undefined, String(length));
  t.is(parseSshSignature(wrap(Buffer.concat([Buffer.from('SSHSIG\0\0\0\x02'), whole.subarray(10)]))), undefined, 'another version');
  t.is(parseSshSignature(`${wrap(whole)}more`), undefined);
});
