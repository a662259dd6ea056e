import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createContext, type Context } from '../src/context.ts';
import { run } from '../src/host/process.ts';
import type { Release } from '../src/release/read-release.ts';
import { withDevice } from '../src/ship/device.ts';
import { provisionTasks } from '../src/ship/provision.ts';
import { prepareUpdate, updateTasks } from '../src/ship/update.ts';
import type { Host } from '../src/site/model.ts';
import { runTasks } from '../src/tasks.ts';
import { createThrowawayHost, type ThrowawayHost } from '../test/support/hosts/throwaway-host.ts';

export type Store = 'overlay2' | 'containerd';

const site = `schema: 1
name: bench
version: 1.0.0
recipe: prosody
domain: chat.example.org
`;

/** Tasks whose time is told apart, by the ids that src/ship gives them. */
export interface PushTimes {
  readonly sendBytes: number;
  readonly uploadMs: number;
  readonly loadMs: number;
}

/** A device behind a slow link that the updates of the benchmark go to. */
export class UpdateHost {
  readonly throwaway: ThrowawayHost;
  readonly store: Store;
  readonly #context: Context;
  readonly #host: Host;
  readonly #linkDevice: string;

  private constructor(context: Context, throwaway: ThrowawayHost, store: Store, linkDevice: string) {
    this.throwaway = throwaway;
    this.store = store;
    this.#host = { name: throwaway.name, address: throwaway.address };
    this.#context = createContext({ ...context, environment: { ...context.environment, PROSE_SHIP_SSH_CONFIG: throwaway.sshConfigFile } });
    this.#linkDevice = linkDevice;
  }

  /** Provisioned by prose-ship itself; the link is not shaped yet. */
  static async create(context: Context, store: Store): Promise<UpdateHost> {
    const throwaway = await createThrowawayHost({ store });
    try {
      const { stdout } = await run(context, { program: 'ip', args: ['-json', 'route', 'get', throwaway.address] });
      const [route] = JSON.parse(stdout) as { dev: string }[];
      if (!route) throw new Error(`no route to ${throwaway.address}`);
      const host = new UpdateHost(context, throwaway, store, route.dev);
      await withDevice(host.#context, host.#host, {}, (device) => runTasks(host.#context, provisionTasks(device)));
      return host;
    } catch (error) {
      await throwaway.destroy();
      throw error;
    }
  }

  /** What `prose-ship push` does behind the command line: until the images are loaded and verified there. */
  async push(release: Release): Promise<PushTimes> {
    const times = new Map<string, number>();
    const context = createContext({
      ...this.#context,
      emit: (event) => {
        if (event.type === 'task' && event.elapsedMs !== undefined) times.set(event.id, event.elapsedMs);
      },
    });
    return withDevice(context, this.#host, {}, async (device) => {
      const prepared = await prepareUpdate(device, release);
      await runTasks(context, updateTasks(context, device, release, prepared, { rollout: false }));
      return { sendBytes: prepared.plan.sendBytes, uploadMs: times.get('upload') ?? Number.NaN, loadMs: times.get('load') ?? Number.NaN };
    });
  }

  /** The whole program in a process of its own, with a site of the built-in recipe beside it as people have one. */
  async pushByCommand(release: Release, directory: string, more: readonly string[] = []): Promise<void> {
    const program = path.resolve(import.meta.dirname, '../src/cli/main.js');
    await writeFile(path.join(directory, 'prose-ship.yaml'), site);
    const args = [program, 'push', `root@${this.#host.address}`, '--release', release.directory, '--json', ...more];
    await run(this.#context, { program: process.execPath, args, cwd: directory, env: { NODE_COMPILE_CACHE: path.join(directory, 'compile-cache') } });
  }

  /** What people do without a registry. */
  async saveAndLoad(reference: string, dockerHost: string): Promise<void> {
    const script = 'set -o pipefail; docker save "$1" | gzip | ssh -F "$2" "$3" docker load';
    const args = ['-c', script, 'bash', reference, this.throwaway.sshConfigFile, this.#host.address];
    await run(this.#context, { program: 'bash', args, env: { DOCKER_HOST: dockerHost } });
  }

  /** Bytes that this machine has put on the link, Ethernet headers included. */
  async sentBytes(): Promise<number> {
    return Number(await readFile(`/sys/class/net/${this.#linkDevice}/statistics/tx_bytes`, 'utf8'));
  }

  /** Nothing of one run is left to be written in the next. */
  async settle(): Promise<void> {
    await this.#succeed(['sync']);
  }

  async requireImage(reference: string, diffIds: readonly string[]): Promise<void> {
    const stdout = await this.#succeed(['docker', 'image', 'inspect', '--format', '{{json .RootFS.Layers}}', reference]);
    if (stdout.trim() !== JSON.stringify(diffIds)) throw new Error(`${reference} has other layers on the host: ${stdout}`);
  }

  async #succeed(command: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.throwaway.exec(command, { timeoutMs: 60_000 });
    if (exitCode !== 0) throw new Error(`${command.join(' ')} on the host: ${stderr}`);
    return stdout;
  }

  async destroy(): Promise<void> {
    await this.throwaway.destroy();
  }
}
