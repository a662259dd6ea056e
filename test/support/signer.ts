import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** A key that lives in a GNUPGHOME of its own: a primary key that only certifies, and a subkey that signs. */
export interface Signer {
  readonly home: string;
  readonly fingerprint: string;
  readonly sign: (file: string) => Promise<Buffer>;
  readonly exportKey: () => Promise<Buffer>;
  readonly revoke: () => Promise<void>;
  /** Ends the agent that gpg started, and removes the keys. */
  readonly close: () => Promise<void>;
}

/** A folder for keys: gpg's sockets want a short path. */
export async function keyring(key?: Buffer): Promise<Pick<Signer, 'home' | 'close'>> {
  const home = await mkdtemp(path.join('/tmp', 'ps-gpg-'));
  if (key) {
    const importing = execute('gpg', ['--batch', '--homedir', home, '--import']);
    importing.child.stdin?.end(key);
    await importing;
  }
  return {
    home,
    async close() {
      await execute('gpgconf', ['--homedir', home, '--kill', 'all']);
      await rm(home, { recursive: true, force: true });
    },
  };
}

export async function createSigner(): Promise<Signer> {
  const { home, close } = await keyring();
  const gpg = async (...args: string[]): Promise<Buffer> => {
    const { stdout } = await execute('gpg', ['--batch', '--quiet', '--homedir', home, '--pinentry-mode', 'loopback', '--passphrase', '', ...args], { encoding: 'buffer' });
    return stdout;
  };
  await gpg('--quick-generate-key', 'Images <images@example.org>', 'ed25519', 'cert', 'never');
  const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(String(await gpg('--list-keys', '--with-colons')))?.[1] ?? '';
  await gpg('--quick-add-key', fingerprint, 'ed25519', 'sign', 'never');
  return {
    home,
    fingerprint,
    close,
    sign: (file) => gpg('--output', '-', '--detach-sign', file),
    exportKey: () => gpg('--export', fingerprint),
    async revoke() {
      // gpg makes the certificate beforehand, with a colon that keeps it from being imported by mistake.
      const file = path.join(home, 'openpgp-revocs.d', `${fingerprint}.rev`);
      await execute('sed', ['-i', 's/^:---/---/', file]);
      await gpg('--import', file);
    },
  };
}
