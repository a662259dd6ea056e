import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createContext } from '../../../src/context.ts';
import { run } from '../../../src/host/process.ts';

/** The SSH files of one throw-away host on this machine. */
export interface HostSsh {
  readonly configFile: string;
  readonly knownHostsFile: string;
  readonly identityFile: string;
}

/** Fresh keys on both sides, sshd's configuration in the host's `root`, the client's files in `directory`. */
export async function writeHostSsh(options: { name: string; address: string; directory: string; root: string }): Promise<HostSsh> {
  const { name, address, directory, root } = options;
  const inside = path.join(root, 'etc/ssh/throwaway');
  const outside = path.join(directory, 'ssh');
  await mkdir(path.join(inside, 'authorized_keys'), { recursive: true });
  await mkdir(outside, { recursive: true, mode: 0o700 });
  const ssh: HostSsh = {
    configFile: path.join(outside, 'config'),
    knownHostsFile: path.join(outside, 'known_hosts'),
    identityFile: path.join(outside, 'id_ed25519'),
  };
  await generateKey(path.join(inside, 'host_key'), name);
  await generateKey(ssh.identityFile, 'test');
  await authorizeUser(root, 'root', ssh);
  await writeFile(
    path.join(inside, 'sshd_config'),
    [
      'HostKey /etc/ssh/throwaway/host_key',
      'PidFile /run/sshd.pid',
      'PermitRootLogin prohibit-password',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'UsePAM no',
      'UseDNS no',
      'AuthorizedKeysFile /etc/ssh/throwaway/authorized_keys/%u',
      'Subsystem sftp internal-sftp',
      '',
    ].join('\n'),
  );
  const [type, key] = (await readFile(path.join(inside, 'host_key.pub'), 'utf8')).split(' ');
  await writeFile(ssh.knownHostsFile, `${address} ${type ?? ''} ${key ?? ''}\n`);
  await writeFile(
    ssh.configFile,
    [
      `Host ${name} ${address}`,
      `  HostName ${address}`,
      '  User root',
      `  IdentityFile ${ssh.identityFile}`,
      '  IdentitiesOnly yes',
      '  IdentityAgent none',
      `  UserKnownHostsFile ${ssh.knownHostsFile}`,
      '  GlobalKnownHostsFile /dev/null',
      '  StrictHostKeyChecking yes',
      '',
    ].join('\n'),
  );
  return ssh;
}

/** Lets the host's key log in as `user`. */
export async function authorizeUser(root: string, user: string, ssh: HostSsh): Promise<void> {
  const key = await readFile(`${ssh.identityFile}.pub`, 'utf8');
  await writeFile(path.join(root, 'etc/ssh/throwaway/authorized_keys', user), key, { mode: 0o644 });
}

async function generateKey(file: string, comment: string): Promise<void> {
  await run(createContext(), { program: 'ssh-keygen', args: ['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', file] });
}
