import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createContext } from '../../../src/context.ts';
import { run, type RunResult } from '../../../src/host/process.ts';
import { attachLink, type Link } from './throwaway-link.ts';
import { writeHostSsh, authorizeUser, type HostSsh } from './throwaway-ssh.ts';
import { createState, removeState, sweepStates } from './throwaway-state.ts';
import { ended, firstLine, killQuietly, spawnTied } from './tied-process.ts';

/**
 * A device on one machine, for tests and the demo: its own mount, pid, network, uts and ipc namespaces, an overlay of
 * this machine's root as its disk, its own sshd and dockerd, reachable over a veth pair. Needs root, Linux, iproute2,
 * util-linux, openssh-server and, with an engine, dockerd. It has no systemd and no route to anywhere but this machine.
 */
export interface ThrowawayHost {
  /** Also its host name and its `Host` pattern in `sshConfigFile`. */
  readonly name: string;
  /** IPv4 address of the range kept for benchmarks (RFC 2544), one /30 a host. */
  readonly address: string;
  /** For `ssh -F` and PROSE_SHIP_SSH_CONFIG: logs in as root under `name` or `address`, checking the host key. */
  readonly sshConfigFile: string;
  readonly knownHostsFile: string;
  readonly identityFile: string;
  /** Its disk as this machine sees it: `${root}/etc/hostname`. Follows no mounts that the host makes itself. */
  readonly root: string;
  /** Runs a program (words) or a POSIX shell script (one string) as root inside, not through SSH; never throws for its status. */
  exec(command: string | readonly string[], options?: { input?: string | Uint8Array; timeoutMs?: number }): Promise<RunResult>;
  /** Pulls the network cable, or puts it back. */
  setLinkUp(up: boolean): Promise<void>;
  /** Limits what this machine sends to the host; undefined takes the limit off. */
  shapeLink(limit: { mbitPerSecond: number } | undefined): Promise<void>;
  /** An account that logs in with the same key; with `sudo` it may become root without a password. */
  addUser(name: string, options?: { sudo?: boolean }): Promise<void>;
  /** Power off and on: every process is killed, the disk stays. Programs that were started by `exec` end, too. */
  reboot(): Promise<void>;
  /** Fills the disk of `diskMiB` but for this much; `leaveMiB: undefined` frees it again. */
  fillDisk(leaveMiB: number | undefined): Promise<void>;
  destroy(): Promise<void>;
}

export interface ThrowawayHostOptions {
  readonly name?: string;
  /** Which image store its engine has. Default: overlay2. */
  readonly store?: 'overlay2' | 'containerd';
  /** Whether dockerd runs. Default: true. */
  readonly engine?: boolean;
  /** Puts /var/lib/docker and /var/lib/prose-ship on one file system in memory of this size. */
  readonly diskMiB?: number;
}

const readyWithinMs = 120_000;
/** Whatever a program's status is, the test decides what it means; -1 stands for a signal. */
const everyOutcome = Array.from({ length: 257 }, (_, index) => index - 1);
const context = createContext();
const support = import.meta.dirname;

export async function createThrowawayHost(options: ThrowawayHostOptions = {}): Promise<ThrowawayHost> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new Error('A throw-away host needs Linux and root (namespaces, mounts)');
  }
  await sweepStates();
  const directory = await createState();
  const name = options.name ?? `device-${randomBytes(3).toString('hex')}`;
  const host = new Host(directory, name, options);
  try {
    await host.boot();
  } catch (error) {
    await host.destroy();
    throw error;
  }
  return host;
}

class Host implements ThrowawayHost {
  readonly name: string;
  readonly directory: string;
  readonly #options: ThrowawayHostOptions;
  readonly #onExit = () => this.#destroyNow();
  #disk: ChildProcess | undefined;
  #machine: { process: ChildProcess; pid: number } | undefined;
  #link: Link | undefined;
  #ssh: HostSsh | undefined;

  constructor(directory: string, name: string, options: ThrowawayHostOptions) {
    this.directory = directory;
    this.name = name;
    this.#options = options;
    process.on('exit', this.#onExit);
  }

  get address(): string {
    return this.#require(this.#link).address;
  }
  get sshConfigFile(): string {
    return this.#require(this.#ssh).configFile;
  }
  get knownHostsFile(): string {
    return this.#require(this.#ssh).knownHostsFile;
  }
  get identityFile(): string {
    return this.#require(this.#ssh).identityFile;
  }
  get root(): string {
    return `/proc/${this.#require(this.#disk).pid ?? 0}/root${this.directory}/root`;
  }

  async boot(): Promise<void> {
    this.#link ??= await attachLink();
    if (!this.#disk) {
      const holder = spawnTied(['unshare', '--mount', '--', path.join(support, 'throwaway-host-disk.sh'), this.directory, String(this.#options.diskMiB ?? 0)]);
      this.#disk = holder;
      await firstLine(holder, 'ready');
      this.#ssh = await writeHostSsh({ name: this.name, address: this.#link.address, directory: this.directory, root: this.root });
      await this.#configureEngine();
    }
    await this.#powerOn(this.#link);
    await this.#untilReady();
  }

  async #powerOn(link: Link): Promise<void> {
    const unshare = spawnTied([
      ...['nsenter', '--target', String(this.#disk?.pid), '--mount', '--'],
      ...['unshare', '--mount', '--pid', '--net', '--uts', '--ipc', '--fork', '--kill-child=KILL', '--'],
      ...[path.join(support, 'throwaway-host-init.sh'), this.directory, this.name, `${link.address}/30`],
      this.#options.engine === false ? 'no' : 'yes',
    ]);
    const pid = Number((await firstLine(unshare, 'pid ')).slice('pid '.length));
    this.#machine = { process: unshare, pid };
    await link.connect(pid);
  }

  async #powerOff(): Promise<void> {
    const machine = this.#machine;
    this.#machine = undefined;
    if (!machine) return;
    killQuietly(machine.pid);
    await ended(machine.process);
    await this.#link?.disconnected();
  }

  async #untilReady(): Promise<void> {
    const deadline = Date.now() + readyWithinMs;
    const check = this.#options.engine === false ? 'test -s /run/sshd.pid' : 'test -s /run/sshd.pid && docker version';
    for (;;) {
      const result = await this.exec(check, { timeoutMs: 5_000 });
      if (result.exitCode === 0) return;
      if (Date.now() > deadline || this.#machine?.process.exitCode !== null) {
        const log = await this.exec('tail -n 20 /var/log/dockerd.log /var/log/sshd.log');
        throw new Error(`The throw-away host ${this.name} did not come up: ${result.stderr}\n${log.stdout}`);
      }
      await delay(100);
    }
  }

  async #configureEngine(): Promise<void> {
    const settings = {
      features: { 'containerd-snapshotter': this.#options.store === 'containerd' },
      'cgroup-parent': `/${path.basename(this.directory)}`,
    };
    await mkdir(path.join(this.root, 'etc/docker'), { recursive: true });
    await writeFile(path.join(this.root, 'etc/docker/throwaway.json'), JSON.stringify(settings));
  }

  async exec(
    command: string | readonly string[],
    options: { input?: string | Uint8Array; timeoutMs?: number } = {},
  ): Promise<RunResult> {
    const machine = this.#require(this.#machine);
    const words = typeof command === 'string' ? ['sh', '-c', command] : command;
    return run(
      context,
      {
        program: 'nsenter',
        args: [
          ...['--target', String(machine.pid), '--mount', '--pid', '--net', '--uts', '--ipc', '--'],
          ...['env', '-i', '--chdir=/', 'HOME=/root', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...words],
        ],
      },
      { ...options, expect: everyOutcome },
    );
  }

  async setLinkUp(up: boolean): Promise<void> {
    await this.#succeed(`ip link set eth0 ${up ? 'up' : 'down'}`);
    if (up) await this.#require(this.#link).restored();
  }

  async shapeLink(limit: { mbitPerSecond: number } | undefined): Promise<void> {
    await this.#require(this.#link).shape(limit?.mbitPerSecond);
  }

  async addUser(name: string, options: { sudo?: boolean } = {}): Promise<void> {
    await this.#succeed(`useradd --create-home --shell /bin/bash --password '*' '${name}'`);
    await authorizeUser(this.root, name, this.#require(this.#ssh));
    if (options.sudo) {
      await this.#succeed(`install -d -m 0750 /etc/sudoers.d
        echo '${name} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/${name}
        chmod 0440 /etc/sudoers.d/${name}`);
    }
  }

  async reboot(): Promise<void> {
    await this.#powerOff();
    await this.boot();
  }

  async fillDisk(leaveMiB: number | undefined): Promise<void> {
    if (!this.#options.diskMiB) throw new Error('Only a disk with a size (diskMiB) can be filled');
    const filler = '/var/lib/prose-ship/.filler';
    await this.#succeed(
      leaveMiB === undefined
        ? `rm -f ${filler}`
        : `rm -f ${filler}
          free=$(df --output=avail -BM /var/lib/prose-ship | tail -n 1 | tr -dc 0-9)
          # Written, not allocated: where somebody else takes the last of it, what is written stays, and the disk is full.
          [ "$free" -le ${leaveMiB} ] || head -c "$((free - ${leaveMiB}))M" /dev/zero 2>/dev/null >${filler} || [ -s ${filler} ]`,
    );
  }

  async destroy(): Promise<void> {
    process.off('exit', this.#onExit);
    await this.#powerOff();
    await this.#link?.remove();
    if (this.#disk) {
      killQuietly(this.#disk.pid);
      await ended(this.#disk);
    }
    await removeState(this.directory);
  }

  /** The same where nothing can be awaited any more; the kernel takes the namespaces' mounts and devices away. */
  #destroyNow(): void {
    killQuietly(this.#machine?.pid);
    killQuietly(this.#disk?.pid);
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }

  async #succeed(script: string): Promise<void> {
    const result = await this.exec(`set -e\n${script}`);
    if (result.exitCode !== 0) throw new Error(`${this.name}: ${script}: ${result.stderr}`);
  }

  #require<T>(value: T | undefined): T {
    if (value === undefined) throw new Error(`The throw-away host ${this.name} is not running`);
    return value;
  }
}
