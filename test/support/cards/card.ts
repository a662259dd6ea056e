import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { Secret } from '../../../src/secret.ts';
import type { OsSettings } from '../../../src/site/model.ts';
import { temporaryDirectory } from '../temporary-directory.ts';

const execute = promisify(execFile);
export const sampleKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f anna@desk';

export function sampleOs(changes: Partial<OsSettings> = {}): OsSettings {
  return {
    base: 'debian',
    hostname: 'kitchen',
    user: 'pi',
    authorizedKeys: [sampleKey],
    locale: 'C.UTF-8',
    keyboard: 'de',
    timezone: 'Europe/Berlin',
    wifi: { country: 'DE', network: { ssid: 'Küche', passphrase: new Secret('correct horse') } },
    packages: ['vim'],
    ports: [{ port: 5222, protocol: 'tcp' }, { port: 3478, protocol: 'udp' }],
    firewall: true,
    securityUpdates: true,
    preload: 'store',
    requires: { engine: '24.0.0', compose: '2.20.0' },
    ...changes,
  };
}

/** A folder as setup.sh wants it. */
export async function secretsDirectory(files: ReadonlyMap<string, string>): Promise<string> {
  const directory = await temporaryDirectory('secrets');
  for (const [name, value] of files) {
    await mkdir(path.dirname(path.join(directory, name)), { recursive: true });
    await writeFile(path.join(directory, name), value, { mode: 0o600 });
  }
  return directory;
}

export interface SetupResult {
  readonly exitCode: number;
  /** `CODE TEXT` of each problem. */
  readonly problems: readonly string[];
  readonly stderr: string;
}

/** Runs a customisation's setup.sh. */
export async function runSetup(customisation: string, root: string, secrets = '', options: readonly string[] = []): Promise<SetupResult> {
  const environment = { PATH: process.env['PATH'], PROSE_SHIP_SECRETS_DIR: secrets, SOURCE_DATE_EPOCH: '1735689600' };
  const result = await execute(path.join(customisation, 'setup.sh'), [...options, root], { env: environment }).then(
    ({ stderr }) => ({ code: 0, stderr }),
    (error: unknown) => error as { code: number; stderr: string },
  );
  const problems = result.stderr.split('\n').filter((line) => line.startsWith('prose-ship-error\t')).map((line) => line.split('\t').slice(1).join(' '));
  return { exitCode: result.code, problems, stderr: result.stderr };
}
