import { rm } from 'node:fs/promises';
import { execa } from 'execa';
import { temporaryDirectory } from './temporary-directory.ts';

export interface OpenpgpKey {
  readonly armored: string;
  /** 40 hex digits, as gpg tells it. */
  readonly fingerprint: string;
  /** A GNUPGHOME with the private half. */
  readonly home: string;
  stop(): Promise<void>;
}

/** A key pair of gpg's own making, without a passphrase. Its agent is ended; `gpg --homedir` starts one again, `stop` ends that. */
export async function openpgpKey(algorithm: string): Promise<OpenpgpKey> {
  const home = await temporaryDirectory('gnupg');
  const gpg = (...args: string[]) => execa('gpg', ['--homedir', home, '--batch', '--quiet', ...args]);
  const stop = async () => {
    await execa('gpgconf', ['--homedir', home, '--kill', 'all'], { reject: false });
    await rm(`${home}/S.gpg-agent`, { force: true });
  };
  await gpg('--passphrase', '', '--quick-generate-key', 'packages@example.org', algorithm, 'sign', 'never');
  const { stdout } = await gpg('--with-colons', '--list-keys');
  const armored = (await gpg('--armor', '--export')).stdout;
  await stop();
  return { armored: `${armored}\n`, fingerprint: /^fpr:+([0-9A-F]{40}):/m.exec(stdout)?.[1] ?? '', home, stop };
}
