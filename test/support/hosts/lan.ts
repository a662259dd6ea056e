import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createContext } from '../../../src/context.ts';
import { run, type RunResult } from '../../../src/host/process.ts';
import { entry, node, type CommandLineResult } from '../command-line.ts';
import { ended, firstLine, killQuietly, spawnTied } from './tied-process.ts';

const context = createContext();
/** Without node_modules/.bin, where npm puts programs with names of the system's. */
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const everyOutcome = Array.from({ length: 257 }, (_, index) => index - 1);
const ip = (...args: string[]) => run(context, { program: 'ip', args });

export interface MachineOptions {
  readonly address?: string;
  readonly mac?: string;
  /** Prefix length; default 24. */
  readonly bits?: number;
}

/** A machine of a LAN: network, mount, uts and pid namespaces of its own; every program of it ends with it. */
export class Machine {
  readonly name: string;
  readonly directory: string;
  readonly #process: ChildProcess;
  readonly #pid: number;

  constructor(name: string, directory: string, holder: ChildProcess, pid: number) {
    this.name = name;
    this.directory = directory;
    this.#process = holder;
    this.#pid = pid;
  }

  static async start(name: string, directory: string): Promise<Machine> {
    const script = 'read -r pid _ </proc/self/stat; mount -t proc proc /proc; hostname "$1"; ip link set lo up; mount -t tmpfs tmpfs /run; mkdir /run/sshd; echo "pid $pid"; while :; do sleep 3600 & wait $! || true; done';
    const holder = spawnTied(['unshare', '--net', '--mount', '--uts', '--pid', '--fork', '--kill-child=KILL', 'sh', '-c', script, 'sh', name]);
    const pid = Number((await firstLine(holder, 'pid ')).slice('pid '.length));
    return new Machine(name, directory, holder, pid);
  }

  get networkNamespace(): string {
    return String(this.#pid);
  }

  #enter(words: readonly string[]): string[] {
    return ['nsenter', '--target', String(this.#pid), '--net', '--mount', '--uts', '--pid', '--', 'env', `PATH=${systemPath}`, ...words];
  }

  /** A program or a shell script; never throws for its status. */
  async exec(command: string | readonly string[]): Promise<RunResult> {
    const [program = '', ...args] = this.#enter(typeof command === 'string' ? ['sh', '-ec', command] : command);
    return run(context, { program, args }, { expect: everyOutcome });
  }

  async must(script: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.exec(script);
    if (exitCode !== 0) throw new Error(`${this.name}: ${script}: ${stderr}`);
    return stdout;
  }

  /** Goes on until the machine ends; `line` is what it prints when it is ready. */
  async daemon(words: readonly string[], line: string): Promise<void> {
    await firstLine(spawnTied(this.#enter(words)), line);
  }

  /** A real sshd on port 22, of all addresses. */
  async startSshd(): Promise<void> {
    const key = path.join(this.directory, `${this.name}_host_key`);
    await run(context, { program: 'ssh-keygen', args: ['-q', '-t', 'ed25519', '-N', '', '-f', key] });
    await this.must(`/usr/sbin/sshd -f /dev/null -h '${key}' -o PidFile=none`);
  }

  /** The real Avahi, without D-Bus: it answers for `hostName`.local. */
  async startAvahi(hostName: string, services: Readonly<Record<string, string>> = {}): Promise<void> {
    const configuration = path.join(this.directory, `${this.name}-avahi.conf`);
    const lines = ['[server]', `host-name=${hostName}`, 'use-ipv4=yes', 'use-ipv6=yes', 'enable-dbus=no', '[publish]', 'publish-workstation=no', ''];
    await writeFile(configuration, lines.join('\n'));
    const folder = path.join(this.directory, `${this.name}-services`);
    await this.must(`mkdir -p '${folder}' /run/avahi-daemon && mount --bind '${folder}' /etc/avahi/services`);
    for (const [name, content] of Object.entries(services)) await writeFile(path.join(folder, name), content);
    await this.must(`avahi-daemon --daemonize --no-drop-root --no-chroot --no-rlimits --file '${configuration}'`);
  }

  /** `prose-ship ARGS --json` as run on this machine. */
  async proseShip(args: readonly string[]): Promise<CommandLineResult> {
    const { exitCode, stdout, stderr } = await this.exec(['env', `--chdir=${this.directory}`, 'CI=1', `PROSE_SHIP_CACHE=${this.directory}`, node, entry, ...args, '--json']);
    const last = stdout.trimEnd().split('\n').at(-1) ?? '';
    return { exitCode, stdout, stderr, result: (last.startsWith('{') ? JSON.parse(last) : {}) as Record<string, unknown> };
  }

  async end(): Promise<void> {
    killQuietly(this.#pid);
    await ended(this.#process);
  }
}

/** Machines on one switch, which nothing else in the world is connected to. Needs root, Linux and iproute2. */
export class Lan implements AsyncDisposable {
  readonly directory: string;
  readonly #switch: Machine;
  readonly #machines: Machine[] = [];

  private constructor(directory: string, hub: Machine) {
    this.directory = directory;
    this.#switch = hub;
  }

  static async create(): Promise<Lan> {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'prose-ship-lan-'));
    const hub = await Machine.start('switch', directory);
    await hub.must('ip link add br0 type bridge && ip link set br0 up');
    return new Lan(directory, hub);
  }

  async add(name: string, options: MachineOptions = {}): Promise<Machine> {
    const machine = await Machine.start(name, this.directory);
    this.#machines.push(machine);
    const port = `port${this.#machines.length}`;
    await ip('link', 'add', port, 'netns', this.#switch.networkNamespace, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', machine.networkNamespace);
    await this.#switch.must(`ip link set ${port} master br0 && ip link set ${port} up`);
    if (options.mac) await machine.must(`ip link set eth0 address ${options.mac}`);
    if (options.address) await machine.must(`ip address add ${options.address}/${options.bits ?? 24} broadcast + dev eth0`);
    // Duplicate address detection would keep the link-local address back for a second.
    await machine.must('sysctl -qw net.ipv6.conf.eth0.accept_dad=0 && ip link set eth0 up');
    for (let attempts = 0; attempts < 500; attempts++) {
      if (/inet6 fe80/.test((await machine.exec('ip -6 address show dev eth0 -tentative')).stdout)) return machine;
      await delay(20);
    }
    throw new Error(`${name} has no link-local address`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const machine of [...this.#machines, this.#switch]) await machine.end();
    await rm(this.directory, { recursive: true, force: true });
  }
}
