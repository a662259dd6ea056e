import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chmod, chown, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { type Context, createContext } from '../../../src/context.ts';
import type { HostAddress } from '../../../src/host/ssh/connection.ts';

/** A user that exists on the throw-away server only; with a plain shell and no way to root. */
export const plainUser = { name: 'deploy', uid: 12_345 } as const;

export interface SshdOptions {
  /** More lines for sshd_config, before the defaults, so that they win. */
  readonly config?: readonly string[];
  readonly port?: number;
  /** Offers SFTP. Default: true. */
  readonly sftp?: boolean;
}

export interface ClientOptions {
  /** Host keys in known_hosts. Default: both. */
  readonly trust?: readonly HostKeyType[];
  readonly hashed?: boolean;
  /** Lines of the `Host device` section of ssh_config, before the defaults, so that they win. */
  readonly config?: readonly string[];
  /** Further sections. */
  readonly sections?: readonly string[];
  readonly context?: Partial<Context>;
}

export type HostKeyType = 'ed25519' | 'rsa';

/** What a user has at home: an ssh_config that calls the server `device`, a key, known_hosts. */
export interface SshClient {
  readonly context: Context;
  readonly host: HostAddress;
  readonly directory: string;
  readonly configFile: string;
  readonly knownHostsFile: string;
}

/**
 * A real sshd on 127.0.0.1 with keys of its own. It runs in private mount and process namespaces: its user database
 * is its own, and nothing that was started through it outlives it. Needs root.
 */
export class Sshd implements AsyncDisposable {
  readonly directory: string;
  readonly port: number;
  readonly #options: SshdOptions;
  #process: ChildProcess | undefined;
  #log = '';
  #clients = 0;

  private constructor(directory: string, port: number, options: SshdOptions) {
    this.directory = directory;
    this.port = port;
    this.#options = options;
  }

  static async start(options: SshdOptions = {}): Promise<Sshd> {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'prose-ship-sshd-'));
    await chmod(directory, 0o755); // sshd reads authorized_keys as the user
    const sshd = new Sshd(directory, options.port ?? (await freePort()), options);
    try {
      await sshd.#prepare();
      await sshd.restart();
      return sshd;
    } catch (error) {
      await sshd.stop();
      throw error;
    }
  }

  /** The private key that both users accept. */
  get clientKey(): string {
    return path.join(this.directory, 'client_key');
  }

  hostKey(type: HostKeyType): string {
    return path.join(this.directory, `host_${type}`);
  }

  async publicHostKey(type: HostKeyType): Promise<string> {
    return (await readFile(`${this.hostKey(type)}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ');
  }

  /** As `ssh-keygen` prints it. */
  fingerprint(type: HostKeyType): string {
    return execFileSync('ssh-keygen', ['-lf', `${this.hostKey(type)}.pub`], { encoding: 'utf8' }).split(' ')[1] ?? '';
  }

  /** What the server has logged. */
  get log(): string {
    return this.#log;
  }

  /** New host keys on the same port. */
  async changeHostKeys(): Promise<void> {
    await this.#end();
    for (const type of ['ed25519', 'rsa'] as const) await this.#makeKey(this.hostKey(type), type);
    await this.restart();
  }

  async client(options: ClientOptions = {}): Promise<SshClient> {
    const directory = path.join(this.directory, `client-${this.#clients++}`);
    const knownHostsFile = path.join(directory, 'known_hosts');
    const configFile = path.join(directory, 'config');
    await mkdir(directory);
    const trust = options.trust ?? ['ed25519', 'rsa'];
    const lines = await Promise.all(trust.map(async (type) => `[127.0.0.1]:${this.port} ${await this.publicHostKey(type)}\n`));
    await writeFile(knownHostsFile, lines.join(''));
    if (options.hashed) {
      execFileSync('ssh-keygen', ['-H', '-f', knownHostsFile], { stdio: 'ignore' });
      await rm(`${knownHostsFile}.old`);
    }
    const section = [
      'Host device',
      ...(options.config ?? []),
      'HostName 127.0.0.1',
      `Port ${this.port}`,
      'User root',
      `IdentityFile ${this.clientKey}`,
      'IdentitiesOnly yes',
    ];
    const everywhere = ['Host *', `UserKnownHostsFile ${knownHostsFile}`, 'GlobalKnownHostsFile none', 'HashKnownHosts no'];
    await writeFile(configFile, [...section, ...(options.sections ?? []), ...everywhere, ''].join('\n'));
    const context = createContext({
      environment: { PATH: process.env['PATH'], PROSE_SHIP_SSH_CONFIG: configFile },
      ...options.context,
    });
    return { context, host: { address: 'device' }, directory, configFile, knownHostsFile };
  }

  async restart(): Promise<void> {
    await this.#end();
    const bind = (file: string) => `mount --bind "${path.join(this.directory, file)}" /etc/${file}`;
    const script = `${['passwd', 'group', 'shadow'].map(bind).join(' && ')} && exec "$@"`;
    const sshd = ['/usr/sbin/sshd', '-D', '-e', '-f', path.join(this.directory, 'sshd_config')];
    const child = spawn(
      'unshare',
      ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', script, 'sh', ...sshd],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.#process = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#log += text;
    });
    for (let attempts = 0; attempts < 1200; attempts++) {
      if (child.exitCode !== null) throw new Error(`sshd did not start: ${this.#log}`);
      if (await greets(this.port)) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`sshd does not answer: ${this.#log}`);
  }

  async stop(): Promise<void> {
    await this.#end();
    await rm(this.directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #prepare(): Promise<void> {
    await mkdir('/run/sshd', { recursive: true }); // sshd insists on it
    for (const type of ['ed25519', 'rsa'] as const) await this.#makeKey(this.hostKey(type), type);
    await this.#makeKey(this.clientKey, 'ed25519');
    const home = path.join(this.directory, 'home');
    await mkdir(home);
    await chown(home, plainUser.uid, plainUser.uid);
    const authorizedKeys = path.join(this.directory, 'authorized_keys');
    await copyFile(`${this.clientKey}.pub`, authorizedKeys);

    const { name, uid } = plainUser;
    const add = async (file: string, line: string) => {
      await writeFile(path.join(this.directory, file), `${await readFile(`/etc/${file}`, 'utf8')}${line}\n`);
    };
    await add('passwd', `${name}:x:${uid}:${uid}::${home}:/bin/sh`);
    await add('group', `${name}:x:${uid}:`);
    // `*` is no password; `!` would lock the account for keys, too.
    await writeFile(path.join(this.directory, 'shadow'), `root:*:1::::::\n${name}:*:1::::::\n`, { mode: 0o600 });
    await writeFile(
      path.join(this.directory, 'sshd_config'),
      [
        ...(this.#options.config ?? []),
        `Port ${this.port}`,
        'ListenAddress 127.0.0.1',
        `HostKey ${this.hostKey('ed25519')}`,
        `HostKey ${this.hostKey('rsa')}`,
        `AuthorizedKeysFile ${authorizedKeys}`,
        'PermitRootLogin prohibit-password',
        'PasswordAuthentication no',
        'KbdInteractiveAuthentication no',
        'UsePAM no',
        'StrictModes no',
        'PidFile none',
        ...(this.#options.sftp === false ? [] : ['Subsystem sftp internal-sftp']),
        'MaxStartups 100',
        '',
      ].join('\n'),
    );
  }

  async #makeKey(file: string, type: HostKeyType): Promise<void> {
    await rm(file, { force: true });
    const size = type === 'rsa' ? ['-b', '2048'] : [];
    execFileSync('ssh-keygen', ['-q', '-t', type, ...size, '-N', '', '-C', 'test', '-f', file]);
  }

  async #end(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    // The first process of the namespace takes all others with it, and unshare takes leave of it.
    const first = (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').catch(() => '')).trim();
    if (first === '') child.kill('SIGKILL');
    else process.kill(Number(first), 'SIGKILL');
    await ended;
  }
}

/** Below the range from which the kernel takes ports of its own accord: what others do will not take it meanwhile. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const server = net.createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
      server.close();
      await once(server, 'close');
      return port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
}

async function greets(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1');
  try {
    const [data] = (await Promise.race([once(socket, 'data'), once(socket, 'close')])) as [unknown];
    return data instanceof Buffer;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
