import type { ChildProcess } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createContext } from '../../../../src/context.ts';
import { run, type RunResult } from '../../../../src/host/process.ts';
import { bootstrapTree } from '../../disks/bootstrap-tree.ts';
import { createState, removeState, sweepStates } from '../throwaway-state.ts';
import { ended, firstLine, killQuietly, spawnTied } from '../tied-process.ts';

const everyOutcome = Array.from({ length: 257 }, (_, index) => index - 1);
const context = createContext();
const systemPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * A fresh Debian trixie of this machine's architecture: apt, dpkg and what no Debian is without, no engine, no curl, and no way to
 * anywhere. For what must work without any network. Needs root, Linux and mmdebstrap.
 */
export class BareHost {
  readonly name: string;
  readonly directory: string;
  #process: ChildProcess | undefined;
  #pid = 0;

  private constructor(directory: string, name: string) {
    this.directory = directory;
    this.name = name;
  }

  static async create(name: string): Promise<BareHost> {
    await sweepStates();
    const host = new BareHost(await createState(), name);
    const tree = await bootstrapTree('linux/amd64');
    // Owners, links and set-user-id bits, which Node's own copy loses.
    await run(context, { program: 'cp', args: ['-a', '--reflink=auto', tree, host.root] });
    await rm(path.dirname(tree), { recursive: true, force: true });
    // Not the engine's packages, but where its containers are counted: they end with the host.
    await host.write('etc/docker/daemon.json', JSON.stringify({ 'cgroup-parent': `/${path.basename(host.directory)}` }));
    await host.#powerOn();
    return host;
  }

  /** Its disk as this machine sees it. */
  get root(): string {
    return path.join(this.directory, 'root');
  }

  async write(name: string, content: string): Promise<void> {
    await mkdir(path.dirname(path.join(this.root, name)), { recursive: true });
    await writeFile(path.join(this.root, name), content);
  }

  async #powerOn(): Promise<void> {
    const init = path.join(import.meta.dirname, 'bare-host-init.sh');
    const holder = spawnTied(['unshare', '--mount', '--pid', '--net', '--uts', '--ipc', '--fork', '--kill-child=KILL', '--', init, this.root, this.name]);
    this.#process = holder;
    this.#pid = Number((await firstLine(holder, 'pid ')).slice('pid '.length));
  }

  /** Words that run a program of this machine in the host's network. */
  get inNetwork(): readonly string[] {
    return ['nsenter', '--target', String(this.#pid), '--net', '--'];
  }

  /** Runs a program (words) or a POSIX shell script (one string) as root inside; never throws for its status. */
  async exec(command: string | readonly string[], options: { readonly input?: string; readonly timeoutMs?: number } = {}): Promise<RunResult> {
    const words = typeof command === 'string' ? ['sh', '-c', command] : command;
    const enter = ['--target', String(this.#pid), '--mount', '--pid', '--net', '--uts', '--ipc', '--'];
    return run(context, { program: 'nsenter', args: [...enter, 'env', '-i', '--chdir=/', 'HOME=/root', systemPath, ...words] }, { ...options, expect: everyOutcome });
  }

  async destroy(): Promise<void> {
    killQuietly(this.#pid);
    if (this.#process) await ended(this.#process);
    await removeState(this.directory);
  }
}
