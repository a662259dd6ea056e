import { copyFile, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from '../../context.ts';
import { ExitStatus, ShipError } from '../../errors.ts';
import { run } from '../../host/process.ts';
import { checksumsFile } from '../checksums.ts';
import { sshCheck, sshSign } from './commands.ts';
import { parseSshSignature } from './ssh-signature.ts';
import { signatureFile } from './verify-signature.ts';

/** Where OpenSSH says that a passphrase or a private key is lacking. */
const lockedKey = /incorrect passphrase|No private key found|agent refused|communication with agent failed/i;

/**
 * Signs the release that is being packed in `directory`: its SHA256SUMS, and with it every file. A signature that
 * `earlier`, the folder that it replaces, has of the same bytes and by the same key is kept, so that ECDSA and hardware
 * keys, whose signatures differ each time, do not change a release that did not change.
 * @throws ShipError E_SIGN_KEY when there is no such key (exit status 2), E_SIGN_FAILED
 */
export async function signRelease(context: Context, directory: string, keyFile: string, earlier?: string): Promise<void> {
  const target = path.join(directory, signatureFile);
  await rm(target, { force: true });
  const publicKey = await publicKeyOf(keyFile);
  if (earlier !== undefined && publicKey !== undefined && (await isSignedBy(context, directory, earlier, publicKey))) {
    await copyFile(path.join(earlier, signatureFile), target);
    return;
  }
  const command = sshSign(keyFile, path.join(directory, checksumsFile), context);
  const { exitCode, stderr } = await run(context, command, { expect: [1, 255] });
  if (exitCode !== 0) throw notSigned(keyFile, stderr);
}

/** Keeps the signature of an earlier packing of the very same bytes, whoever made it. */
export async function keepSignature(directory: string, earlier: string): Promise<void> {
  if (await haveSameSums(directory, earlier)) await copyFile(path.join(earlier, signatureFile), path.join(directory, signatureFile)).catch(() => {});
}

async function haveSameSums(directory: string, earlier: string): Promise<boolean> {
  const [sums, before] = await Promise.all([directory, earlier].map((one) => readFile(path.join(one, checksumsFile)).catch(() => undefined)));
  return sums !== undefined && before !== undefined && sums.equals(before);
}

async function isSignedBy(context: Context, directory: string, earlier: string, publicKey: string): Promise<boolean> {
  if (!(await haveSameSums(directory, earlier))) return false;
  const signature = parseSshSignature(await readFile(path.join(earlier, signatureFile), 'utf8').catch(() => ''));
  if (signature?.publicKey !== publicKey) return false;
  const input = await readFile(path.join(directory, checksumsFile));
  return (await run(context, sshCheck(path.join(earlier, signatureFile)), { input, expect: [255] })).exitCode === 0;
}

/** Base64 of the public half, where a .pub file tells it. */
async function publicKeyOf(keyFile: string): Promise<string | undefined> {
  const text = await readFile(keyFile.endsWith('.pub') ? keyFile : `${keyFile}.pub`, 'utf8').catch(() => '');
  return text.trim().split(/\s+/)[1];
}

function notSigned(keyFile: string, output: string): ShipError {
  if (lockedKey.test(output)) {
    return new ShipError({
      code: 'E_SIGN_FAILED',
      message: `The release was not signed: the private half of '${keyFile}' is locked, or not in the agent`,
      output,
      remedy: `Run \`ssh-add ${keyFile.replace(/\.pub$/, '')}\` first, or name a program that asks for the passphrase in SSH_ASKPASS.`,
    });
  }
  if (/Couldn't load public key|not a public key|invalid format/i.test(output)) {
    return new ShipError({
      code: 'E_SIGN_KEY',
      message: `'${keyFile}' is no key that can sign`,
      output,
      remedy: 'Name a private key, or a .pub file whose private half the agent holds; `ssh-keygen -t ed25519` makes a pair. --no-sign leaves the release unsigned.',
      exitStatus: ExitStatus.usage,
    });
  }
  return new ShipError({ code: 'E_SIGN_FAILED', message: `The release was not signed with '${keyFile}'`, output, remedy: 'What ssh-keygen said stands above.' });
}
