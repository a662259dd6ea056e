import { execFile } from 'node:child_process';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export interface SigningKeyOptions {
  /** As ssh-keygen takes it; default ed25519. */
  readonly type?: 'ed25519' | 'ecdsa' | 'rsa';
  readonly passphrase?: string;
}

/** An SSH key in `directory`: the path of its private half. */
export async function signingKey(directory: string, name: string, { type = 'ed25519', passphrase = '' }: SigningKeyOptions = {}): Promise<string> {
  const file = path.join(directory, name);
  await execute('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', name, '-f', file]);
  return file;
}

/** One line of a file of allowed signers. */
export async function signerLine(key: string, principal: string, options = ''): Promise<string> {
  const [type = '', data = ''] = (await readFile(`${key}.pub`, 'utf8')).split(' ');
  return `${[principal, options, type, data].filter(Boolean).join(' ')}\n`;
}

export async function writeSigners(file: string, ...lines: readonly string[]): Promise<string> {
  await writeFile(file, '# who may sign\n');
  for (const line of lines) await appendFile(file, line);
  return file;
}

/** Signs SHA256SUMS in a release's folder with OpenSSH alone, for any purpose. */
export async function signWithOpenSsh(key: string, release: string, namespace = 'prose-ship-release'): Promise<void> {
  await execute('rm', ['-f', path.join(release, 'SHA256SUMS.sig')]);
  await execute('ssh-keygen', ['-q', '-Y', 'sign', '-f', key, '-n', namespace, path.join(release, 'SHA256SUMS')]);
}
